// The posthog-node package, as published, through one scenario: node visit.mjs URL KEY SCENARIO
// What it says on stdout is what a developer would see: the errors that the SDK reports. stderr stays its own.
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../static/node_modules/', import.meta.url));
const { PostHog } = require('posthog-node');

const [url, key, scenario] = process.argv.slice(2);
const sdk = new PostHog(key, { host: url, flushInterval: 100, fetchRetryDelay: 200, ...options() });
sdk.on('error', (error) => console.log(JSON.stringify({ error: String(error.message ?? error), status: error.status })));

function options() {
  return { plain: { disableCompression: true }, halves: { flushAt: 100 } }[scenario] ?? {};
}

const scenarios = {
  async calls() {
    sdk.capture({ distinctId: 'u1', event: 'signed up', properties: { plan: 'pro' }, groups: { company: 'acme' } });
    sdk.identify({ distinctId: 'u1', properties: { email: 'ada@x.example', $anon_distinct_id: 'a1' } });
    sdk.capture({ distinctId: 'u1', event: '$identify', properties: { $anon_distinct_id: 'a1' } });
    sdk.alias({ distinctId: 'u1', alias: 'phone-7' });
    sdk.groupIdentify({ groupType: 'company', groupKey: 'acme', properties: { size: 3 } });
    sdk.setPersonProperties({ distinctId: 'u1', properties: { name: 'Ada', phone: '7' } });
    sdk.unsetPersonProperties({ distinctId: 'u1', properties: ['phone'] });
    sdk.capture({ event: 'personless' });
    sdk.withContext({ distinctId: 'u1', sessionId: 's1' }, () => sdk.capture({ event: 'in context' }));
    await sdk.captureImmediate({ distinctId: 'u1', event: 'at once' });
    const flags = await sdk.getAllFlags('u1');
    if (Object.keys(flags).length) console.log(JSON.stringify({ error: 'flags', flags }));
  },
  async many() {
    for (let number = 0; number < 20; number++) {
      sdk.capture({ distinctId: 'u1', event: 'counted', properties: { number } });
    }
  },
  async halves() {
    for (let number = 0; number < 8; number++) {
      const noise = Array.from({ length: 500 }, () => Math.random().toString(36)).join('');
      sdk.capture({ distinctId: 'u1', event: 'counted', properties: { number, noise } });
    }
    for (let tries = 0; tries < 4; tries++) await sdk.flush().catch(() => {});
  },
};

const alive = setInterval(() => {}, 1000); // its retry timers do not keep Node running
await (scenarios[scenario] ?? scenarios.many)();
await sdk.shutdown(20000);
clearInterval(alive);
