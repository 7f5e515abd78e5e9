// Typed handlers for the changes of a table: plain objects instead of attribute values.
//
//   export const handler = createHandler({
//     INSERT: [async (item, change) => { ... }],
//     MODIFY: [async (item, change) => { ... }],
//     REMOVE: [async (item, change) => { ... }],
//     ALL: [async (item, change) => { ... }],      // after the handlers of the type
//   }, { mode: 'series' | 'parallel', onError: (error, change) => { ... } });
//
// A handler receives the new item (the old one for REMOVE) and the change {type, key, newItem, oldItem, sequenceNumber}. In series,
// records are handled one after the other in stream order; in parallel all at once. Without onError an error fails the batch;
// with it, onError decides: what it throws fails the batch, else the record counts as handled.
import { unmarshall } from '@aws-sdk/util-dynamodb';

const plain = (image) => (image === undefined ? undefined : unmarshall(image));

export const toChange = (record) => ({
  type: record.eventName,
  key: plain(record.dynamodb.Keys),
  newItem: plain(record.dynamodb.NewImage),
  oldItem: plain(record.dynamodb.OldImage),
  sequenceNumber: record.dynamodb.SequenceNumber,
  expired: record.userIdentity?.principalId === 'dynamodb.amazonaws.com',
});

export const createHandler = (handlers, { mode = 'series', onError, after } = {}) => {
  const handleOne = async (record) => {
    const change = toChange(record);
    const item = change.newItem ?? change.oldItem;
    try {
      for (const handle of [...(handlers[change.type] ?? []), ...(handlers.ALL ?? [])]) await handle(item, change);
    } catch (error) {
      if (!onError) throw error;
      await onError(error, change);
    }
  };
  return async (event, context) => {
    if (mode === 'parallel') await Promise.all(event.Records.map(handleOne));
    else for (const record of event.Records) await handleOne(record);
    return after ? after(event, context) : undefined;
  };
};
