// Expired log items become JSON lines in a bucket. The second function takes the same stream with the default batch size and no
// window, into a bucket of its own, to compare.
import * as cdk from 'aws-cdk-lib';
import { aws_dynamodb as dynamodb, aws_lambda as lambda, aws_lambda_event_sources as sources, aws_lambda_nodejs as nodejs, aws_logs as logs, aws_s3 as s3 } from 'aws-cdk-lib';

const app = new cdk.App();
const stack = new cdk.Stack(app, 'Archive', { description: 'Expired log items become JSON in a bucket' });

const items = new dynamodb.Table(stack, 'Logs', {
  tableName: 'logs',
  partitionKey: { name: 'systemId', type: dynamodb.AttributeType.NUMBER },
  sortKey: { name: 'timestamp', type: dynamodb.AttributeType.NUMBER },
  billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
  timeToLiveAttribute: 'ttl',
  stream: dynamodb.StreamViewType.OLD_IMAGE,
  removalPolicy: cdk.RemovalPolicy.DESTROY,
});

const onlyExpired = lambda.FilterCriteria.filter({
  userIdentity: { type: ['Service'], principalId: ['dynamodb.amazonaws.com'] },
});

const archive = (id: string, functionName: string, bucket: s3.Bucket, reservedConcurrentExecutions: number | undefined, batching: object) => {
  const fn = new nodejs.NodejsFunction(stack, id, {
    functionName,
    entry: 'index.mjs',
    runtime: lambda.Runtime.NODEJS_22_X,
    bundling: { format: nodejs.OutputFormat.ESM },
    environment: { ARCHIVE_BUCKET: bucket.bucketName },
    timeout: cdk.Duration.minutes(5),
    memorySize: 512,
    reservedConcurrentExecutions,
    tracing: lambda.Tracing.ACTIVE,
    logGroup: new logs.LogGroup(stack, `${id}Log`, {
      logGroupName: `/aws/lambda/${functionName}`,
      retention: logs.RetentionDays.ONE_MONTH,
      removalPolicy: cdk.RemovalPolicy.DESTROY,
    }),
  });
  bucket.grantPut(fn);
  fn.addEventSource(
    new sources.DynamoEventSource(items, {
      startingPosition: lambda.StartingPosition.TRIM_HORIZON,
      bisectBatchOnError: true,
      filters: [onlyExpired],
      ...batching,
    }),
  );
};

const bucket = new s3.Bucket(stack, 'LogArchive', {
  bucketName: 'log-archive',
  // Objects below 128 KiB are not moved by default (since 2024); these may be smaller and are to be moved all the same.
  transitionDefaultMinimumObjectSize: s3.TransitionDefaultMinimumObjectSize.VARIES_BY_STORAGE_CLASS,
  lifecycleRules: [
    { id: 'to-glacier', prefix: 'logs/', transitions: [{ storageClass: s3.StorageClass.GLACIER, transitionAfter: cdk.Duration.days(30) }] },
  ],
  removalPolicy: cdk.RemovalPolicy.DESTROY,
  autoDeleteObjects: true,
});
archive('Archive', 'archive', bucket, 1, { batchSize: 10000, maxBatchingWindow: cdk.Duration.seconds(300) });

const compared = new s3.Bucket(stack, 'LogArchiveDefault', {
  bucketName: 'log-archive-default',
  removalPolicy: cdk.RemovalPolicy.DESTROY,
  autoDeleteObjects: true,
});
archive('ArchiveDefault', 'archive-default', compared, undefined, {});

new cdk.CfnOutput(stack, 'BucketName', { value: bucket.bucketName });
