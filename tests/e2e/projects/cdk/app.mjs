// What test_cdk.py deploys: one scenario a stack, changed step by step through the context.
//   cdk deploy Orders -c step=replaced
import cdk from 'aws-cdk-lib';

const {
  aws_dynamodb: dynamodb, aws_lambda: lambda, aws_lambda_event_sources: sources, aws_lambda_nodejs: nodejs, aws_logs: logs, aws_s3: s3,
  aws_s3_deployment: deployment, aws_s3_notifications: notifications, aws_sqs: sqs, custom_resources: custom,
} = cdk;
const app = new cdk.App();
const only = app.node.tryGetContext('only');
const step = app.node.tryGetContext('step') ?? 'first';
const destroy = { removalPolicy: cdk.RemovalPolicy.DESTROY };

function scenario(name, build) {
  if (only === undefined || only === name) build(new cdk.Stack(app, name, { tags: { scenario: name.toLowerCase() } }));
}

// Table, stream, mapping, bundled function, bucket.
scenario('Orders', (stack) => {
  const bucket = new s3.Bucket(stack, 'Bucket', { ...destroy, autoDeleteObjects: true });
  const table = new dynamodb.Table(stack, 'Table', {
    partitionKey: { name: step === 'replaced' ? 'orderId' : 'id', type: dynamodb.AttributeType.STRING },
    stream: dynamodb.StreamViewType.NEW_IMAGE,
    ...destroy,
  });
  const copier = new nodejs.NodejsFunction(stack, 'Copier', {
    entry: 'orders/index.ts',
    runtime: lambda.Runtime.NODEJS_22_X,
    environment: { BUCKET: bucket.bucketName, FOLDER: step === 'first' ? 'orders' : 'changed' },
    logRetention: logs.RetentionDays.ONE_WEEK,
  });
  bucket.grantWrite(copier);
  copier.addEventSource(new sources.DynamoEventSource(table, {
    startingPosition: lambda.StartingPosition.TRIM_HORIZON,
    batchSize: step === 'first' ? 5 : 7,
  }));
  new cdk.CfnOutput(stack, 'TableName', { value: table.tableName });
  new cdk.CfnOutput(stack, 'BucketName', { value: bucket.bucketName });
  new cdk.CfnOutput(stack, 'FunctionName', { value: copier.functionName });
});

// A queue that nobody can make.
scenario('Failing', (stack) => {
  const good = new sqs.Queue(stack, 'Good', { visibilityTimeout: cdk.Duration.seconds(step === 'first' ? 30 : 60) });
  if (step !== 'bad') return;
  const bad = new sqs.CfnQueue(stack, 'Bad', { visibilityTimeout: 999999 });
  bad.node.addDependency(good);
});

// An inline function that --hotswap and watch change.
scenario('Quick', (stack) => {
  const quick = new lambda.Function(stack, 'Function', {
    runtime: lambda.Runtime.NODEJS_22_X,
    handler: 'index.handler',
    code: lambda.Code.fromAsset('quick'),
    functionName: app.node.tryGetContext('function'),
  });
  new cdk.CfnOutput(stack, 'FunctionName', { value: quick.functionName });
});

// More than 5 MiB: uploaded in parts.
scenario('Large', (stack) => {
  const large = new lambda.Function(stack, 'Function', { runtime: lambda.Runtime.NODEJS_22_X, handler: 'index.handler', code: lambda.Code.fromAsset('large') });
  new cdk.CfnOutput(stack, 'FunctionName', { value: large.functionName });
});

// Everything that CDK does by functions of its own.
scenario('Custom', (stack) => {
  const bucket = new s3.Bucket(stack, 'Bucket', { ...destroy, autoDeleteObjects: true });
  const table = new dynamodb.Table(stack, 'Table', { partitionKey: { name: 'id', type: dynamodb.AttributeType.STRING }, ...destroy });
  const queue = new sqs.Queue(stack, 'Uploads');
  const seen = new lambda.Function(stack, 'Seen', {
    runtime: lambda.Runtime.NODEJS_22_X,
    handler: 'index.handler',
    code: lambda.Code.fromInline('exports.handler = async (event) => console.log("seen", event.Records[0].s3.object.key);'),
    logRetention: logs.RetentionDays.THREE_DAYS,
  });
  bucket.addEventNotification(s3.EventType.OBJECT_CREATED, new notifications.LambdaDestination(seen), { prefix: 'in/' });
  bucket.addEventNotification(s3.EventType.OBJECT_REMOVED, new notifications.SqsDestination(queue));
  new deployment.BucketDeployment(stack, 'Site', {
    sources: [deployment.Source.asset('site'), deployment.Source.jsonData('config.json', { table: table.tableName })],
    destinationBucket: bucket,
    destinationKeyPrefix: 'site',
    prune: false,
  });
  const row = (value) => ({
    service: 'DynamoDB',
    action: 'putItem',
    parameters: { TableName: table.tableName, Item: { id: { S: 'seed' }, value: { S: value } } },
    physicalResourceId: custom.PhysicalResourceId.of('seed'),
  });
  const seed = new custom.AwsCustomResource(stack, 'Seed', {
    installLatestAwsSdk: false,
    onCreate: row('created'),
    onUpdate: row(step),
    onDelete: { service: 'DynamoDB', action: 'deleteItem', parameters: { TableName: table.tableName, Key: { id: { S: 'seed' } } } },
    policy: custom.AwsCustomResourcePolicy.fromSdkCalls({ resources: [table.tableArn] }),
  });
  const described = new custom.AwsCustomResource(stack, 'Described', {
    installLatestAwsSdk: false,
    onUpdate: { service: 'DynamoDB', action: 'describeTable', parameters: { TableName: table.tableName }, physicalResourceId: custom.PhysicalResourceId.fromResponse('Table.TableId') },
    policy: custom.AwsCustomResourcePolicy.fromSdkCalls({ resources: [table.tableArn] }),
  });
  described.node.addDependency(seed);
  new cdk.CfnOutput(stack, 'BucketName', { value: bucket.bucketName });
  new cdk.CfnOutput(stack, 'TableName', { value: table.tableName });
  new cdk.CfnOutput(stack, 'QueueUrl', { value: queue.queueUrl });
  new cdk.CfnOutput(stack, 'FunctionName', { value: seen.functionName });
  new cdk.CfnOutput(stack, 'TableStatus', { value: described.getResponseField('Table.TableStatus') });
});
