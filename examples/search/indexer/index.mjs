// Writes index operations with _bulk and external versions: an older version never overwrites a newer one, so operations may come
// again and in any order. A version conflict is therefore success; anything else fails the invocation, and Lambda retries it.
//
// A delete is written as a tombstone: a document {"deleted": true} with the delete's version. The engine itself remembers the version
// of a deleted document only for index.gc_deletes, and not over a restart; an older operation that comes late would bring it back.
const endpoint = process.env.SEARCH_ENDPOINT;
const indexName = process.env.SEARCH_INDEX;

const toLines = ({ op, id, version, document }) => {
  // The version is a 63-bit number, more than a JavaScript number holds: it goes into the text as it is.
  const action = `{"index":{"_index":${JSON.stringify(indexName)},"_id":${JSON.stringify(id)},"version":${version},"version_type":"external"}}\n`;
  return action + JSON.stringify(op === 'delete' ? { deleted: true } : document) + '\n';
};

export const handler = async (event) => {
  const response = await fetch(`${endpoint}/_bulk`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: event.operations.map(toLines).join(''),
  });
  if (!response.ok) throw new Error(`_bulk answered ${response.status}`);
  const { items } = await response.json();
  const failed = items.map((item) => Object.values(item)[0]).filter(({ status }) => status >= 300 && status !== 409);
  if (failed.length > 0) throw new Error(`${failed.length} operations failed: ${JSON.stringify(failed[0].error)}`);
  return { indexed: items.length };
};
