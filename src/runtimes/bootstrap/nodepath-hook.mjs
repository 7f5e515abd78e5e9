// Lets `import 'package'` find what NODE_PATH offers, as `require` does and as AWS's own runtime does since nodejs18.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);

export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND' || /^(\.|\/|file:|node:)/.test(specifier)) throw error;
    for (const folder of (process.env.NODE_PATH || '').split(':').filter(Boolean)) {
      try {
        return await next(specifier, { ...context, parentURL: pathToFileURL(`${folder}/../index.mjs`).href });
      } catch { /* the next folder may have it */ }
      try {
        return await next(pathToFileURL(require.resolve(specifier, { paths: [folder] })).href, context);
      } catch { /* the next folder may have it */ }
    }
    throw error;
  }
}
