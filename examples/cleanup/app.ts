// Two stacks of the same pipeline: one deletes the uploaded files one by one, the other a batch at a time.
import * as cdk from 'aws-cdk-lib';
import { aws_dynamodb as dynamodb, aws_lambda as lambda, aws_lambda_event_sources as sources, aws_lambda_nodejs as nodejs, aws_logs as logs, aws_s3 as s3 } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

interface CleanupProps extends cdk.StackProps {
  variant: 'single' | 'batched';
}

class Cleanup extends cdk.Stack {
  constructor(scope: Construct, id: string, props: CleanupProps) {
    super(scope, id, props);

    const messages = new dynamodb.Table(this, 'Messages', {
      tableName: `messages-${props.variant}`,
      partitionKey: { name: 'messageId', type: dynamodb.AttributeType.STRING },
      sortKey: { name: 'createdAt', type: dynamodb.AttributeType.NUMBER },
      billingMode: dynamodb.BillingMode.PROVISIONED,
      readCapacity: 5,
      writeCapacity: 5,
      stream: dynamodb.StreamViewType.KEYS_ONLY,
      removalPolicy: cdk.RemovalPolicy.DESTROY,
    });
    const staging = new s3.Bucket(this, 'Staging', {
      bucketName: `staging-${props.variant}`,
      encryption: s3.BucketEncryption.S3_MANAGED,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      lifecycleRules: [{ id: 'expire-uploads', prefix: 'uploads', expiration: cdk.Duration.days(1) }],
      removalPolicy: cdk.RemovalPolicy.DESTROY,
      autoDeleteObjects: true,
    });
    const uploadKey = new lambda.LayerVersion(this, 'UploadKey', {
      code: lambda.Code.fromAsset('layer'),
      description: 'Where the uploaded file of a message lies',
    });

    const shared = {
      functionName: `cleanup-${props.variant}`,
      layers: [uploadKey],
      environment: { STAGING_BUCKET: staging.bucketName },
      timeout: cdk.Duration.minutes(1),
      memorySize: 256,
      tracing: lambda.Tracing.ACTIVE,
      logRetention: logs.RetentionDays.ONE_WEEK,
    };
    const cleanup =
      props.variant === 'single'
        ? new lambda.Function(this, 'Cleanup', {
            ...shared,
            runtime: lambda.Runtime.NODEJS_14_X, // the last one whose aws-sdk v2 many handlers still expect
            handler: 'index.handler',
            code: lambda.Code.fromAsset('single'),
          })
        : new nodejs.NodejsFunction(this, 'Cleanup', {
            ...shared,
            runtime: lambda.Runtime.NODEJS_22_X,
            entry: 'batched/index.mjs',
            bundling: { format: nodejs.OutputFormat.ESM, externalModules: ['@aws-sdk/*', 'upload-key'] },
          });
    staging.grantDelete(cleanup);
    cleanup.addEventSource(
      new sources.DynamoEventSource(messages, {
        startingPosition: lambda.StartingPosition.LATEST,
        batchSize: 100,
        maxBatchingWindow: cdk.Duration.seconds(60),
      }),
    );
    new cdk.CfnOutput(this, 'TableName', { value: messages.tableName });
    new cdk.CfnOutput(this, 'BucketName', { value: staging.bucketName });
    new cdk.CfnOutput(this, 'FunctionName', { value: cleanup.functionName });
  }
}

const app = new cdk.App();
new Cleanup(app, 'CleanupSingle', { variant: 'single' });
new Cleanup(app, 'CleanupBatched', { variant: 'batched' });
