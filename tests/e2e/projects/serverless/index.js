const { DynamoDBClient, PutItemCommand } = require('@aws-sdk/client-dynamodb');

const dynamodb = new DynamoDBClient({});

// Notes each order with the step of the deployment that handled it.
exports.orders = async (event) => {
  for (const record of event.Records) {
    await dynamodb.send(new PutItemCommand({ TableName: process.env.SEEN, Item: { ...record.dynamodb.Keys, step: { S: process.env.STEP } } }));
  }
};

exports.hello = async (event) => {
  console.log('asked for', JSON.stringify(event));
  if (event.fail) throw new Error('as asked');
  return { hello: event.name || 'world' };
};
