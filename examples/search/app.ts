// A search index that follows a table. The table is there first and is filled; `-c follow=true` then adds its stream and the two
// functions to the same stack.
import * as cdk from 'aws-cdk-lib';
import { aws_dynamodb as dynamodb, aws_lambda as lambda, aws_lambda_destinations as destinations, aws_lambda_event_sources as sources, aws_lambda_nodejs as nodejs, aws_logs as logs, aws_sqs as sqs } from 'aws-cdk-lib';

const app = new cdk.App();
const stack = new cdk.Stack(app, 'Search');
const follow = String(app.node.tryGetContext('follow') ?? 'false') === 'true';

const posts = new dynamodb.Table(stack, 'Posts', {
  tableName: 'posts',
  partitionKey: { name: 'postId', type: dynamodb.AttributeType.STRING },
  billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
  ...(follow ? { stream: dynamodb.StreamViewType.NEW_AND_OLD_IMAGES } : {}),
  removalPolicy: cdk.RemovalPolicy.DESTROY,
});

if (follow) {
  const endpoint = new cdk.CfnParameter(stack, 'SearchEndpoint', { description: 'OpenSearch or Elasticsearch, http://HOST:PORT' });
  const index = new cdk.CfnParameter(stack, 'SearchIndex', { default: 'posts' });
  const failed = new sqs.Queue(stack, 'IndexFailed', { queueName: 'index-failed', retentionPeriod: cdk.Duration.days(14) });
  const shared = { runtime: lambda.Runtime.NODEJS_22_X, bundling: { format: nodejs.OutputFormat.ESM }, logRetention: logs.RetentionDays.TWO_WEEKS };
  const indexer = new nodejs.NodejsFunction(stack, 'Indexer', {
    ...shared,
    functionName: 'indexer',
    entry: 'indexer/index.mjs',
    environment: { SEARCH_ENDPOINT: endpoint.valueAsString, SEARCH_INDEX: index.valueAsString },
    timeout: cdk.Duration.seconds(30),
    memorySize: 256,
    reservedConcurrentExecutions: 4,
    retryAttempts: 2,
    onFailure: new destinations.SqsDestination(failed),
  });
  const stream = new nodejs.NodejsFunction(stack, 'Stream', {
    ...shared,
    functionName: 'posts-stream',
    entry: 'stream/index.mjs',
    environment: { INDEXER: indexer.functionName },
    timeout: cdk.Duration.minutes(1),
    memorySize: 256,
    tracing: lambda.Tracing.ACTIVE,
  });
  indexer.grantInvoke(stream);
  stream.addEventSource(new sources.DynamoEventSource(posts, { startingPosition: lambda.StartingPosition.TRIM_HORIZON, batchSize: 100 }));
  new cdk.CfnOutput(stack, 'FailedQueueUrl', { value: failed.queueUrl });
}
new cdk.CfnOutput(stack, 'TableName', { value: posts.tableName });
