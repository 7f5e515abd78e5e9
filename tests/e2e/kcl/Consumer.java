// Reads a stream with the Kinesis Client Library and its DynamoDB adapter, as an application does: leases and
// checkpoints in tables, one processor per shard. Arguments: endpoint, stream ARN, application name. Prints one line
// per record: "record SHARD SEQUENCE ID VERSION", and "start SHARD", "end SHARD", "lost SHARD". Stops when its input
// ends.

import com.amazonaws.services.dynamodbv2.streamsadapter.AmazonDynamoDBStreamsAdapterClient;
import com.amazonaws.services.dynamodbv2.streamsadapter.StreamsSchedulerFactory;
import com.amazonaws.services.dynamodbv2.streamsadapter.model.DynamoDBStreamsProcessRecordsInput;
import com.amazonaws.services.dynamodbv2.streamsadapter.polling.DynamoDBStreamsPollingConfig;
import com.amazonaws.services.dynamodbv2.streamsadapter.processor.DynamoDBStreamsShardRecordProcessor;
import java.net.URI;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.awssdk.services.dynamodb.streams.DynamoDbStreamsClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.coordinator.CoordinatorConfig;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.metrics.MetricsLevel;

public final class Consumer {
  static synchronized void say(String line) {
    System.out.println(line);
    System.out.flush();
  }

  static final class Processor implements DynamoDBStreamsShardRecordProcessor {
    private String shard;

    @Override
    public void initialize(InitializationInput input) {
      shard = input.shardId();
      say("start " + shard);
    }

    @Override
    public void processRecords(DynamoDBStreamsProcessRecordsInput input) {
      input.records().forEach(each -> {
        var change = each.getRecord().dynamodb();
        AttributeValue version = change.newImage().get("version");
        say("record " + shard + " " + change.sequenceNumber() + " " + change.keys().get("id").s() + " " + version.n());
      });
      checkpoint(() -> input.checkpointer().checkpoint());
    }

    @Override
    public void leaseLost(LeaseLostInput input) {
      say("lost " + shard);
    }

    @Override
    public void shardEnded(ShardEndedInput input) {
      checkpoint(() -> input.checkpointer().checkpoint());
      say("end " + shard);
    }

    @Override
    public void shutdownRequested(ShutdownRequestedInput input) {
      checkpoint(() -> input.checkpointer().checkpoint());
    }

    private interface Checkpoint {
      void run() throws Exception;
    }

    private void checkpoint(Checkpoint work) {
      try {
        work.run();
      } catch (Exception problem) {
        say("problem " + problem);
      }
    }
  }

  public static void main(String[] arguments) throws Exception {
    URI endpoint = URI.create(arguments[0]);
    String stream = arguments[1];
    String application = arguments[2];
    Region region = Region.US_EAST_1;
    var credentials = StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test"));
    var tables =
        DynamoDbAsyncClient.builder().endpointOverride(endpoint).region(region).credentialsProvider(credentials).build();
    var metrics =
        CloudWatchAsyncClient.builder().endpointOverride(endpoint).region(region).credentialsProvider(credentials).build();
    var streams =
        DynamoDbStreamsClient.builder().endpointOverride(endpoint).region(region).credentialsProvider(credentials).build();
    var adapter = new AmazonDynamoDBStreamsAdapterClient(streams, region);
    var tracker = StreamsSchedulerFactory.createSingleStreamTracker(
        stream, InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON));
    var configs = new ConfigsBuilder(
        tracker, application, adapter, tables, metrics, "worker", Processor::new);
    var polling = new DynamoDBStreamsPollingConfig(adapter);
    polling.idleTimeBetweenReadsInMillis(100);
    Scheduler scheduler = StreamsSchedulerFactory.createScheduler(configs.checkpointConfig(),
        configs.coordinatorConfig()
            .clientVersionConfig(CoordinatorConfig.ClientVersionConfig.CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X)
            .parentShardPollIntervalMillis(200).shardConsumerDispatchPollIntervalMillis(100),
        configs.leaseManagementConfig()
            .shardSyncIntervalMillis(1000)
            .failoverTimeMillis(1000)
            .leasesRecoveryAuditorExecutionFrequencyMillis(1000)
            .leasesRecoveryAuditorInconsistencyConfidenceThreshold(1),
        configs.lifecycleConfig(), configs.metricsConfig().metricsLevel(MetricsLevel.NONE), configs.processorConfig(),
        configs.retrievalConfig().retrievalSpecificConfig(polling), adapter);
    Thread runner = new Thread(scheduler, "scheduler");
    runner.setDaemon(true);
    runner.start();
    while (System.in.read() >= 0) {
    }
    scheduler.startGracefulShutdown().get(20, TimeUnit.SECONDS);
    System.exit(0);
  }
}
