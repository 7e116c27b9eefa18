// The posthog-node package, as published, says what it is told to: node who.mjs URL KEY '[["capture", {...}], ...]'
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../static/node_modules/', import.meta.url));
const { PostHog } = require('posthog-node');

const [url, key, steps] = process.argv.slice(2);
const sdk = new PostHog(key, { host: url, flushInterval: 100 });
const alive = setInterval(() => {}, 1000);
for (const [call, argument] of JSON.parse(steps)) {
  sdk[call](argument);
  await new Promise((done) => setTimeout(done, 5)); // what happens in one millisecond has no order
}
await sdk.shutdown(20000);
clearInterval(alive);
