// Verifies requests with the specification's own library. Lines of JSON: secret, headers, body; answers a line for each.
import { createInterface } from "node:readline";

import { Webhook } from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body } = JSON.parse(line);
  try {
    console.log(`good ${new Webhook(secret).verify(body, headers).type}`);
  } catch (error) {
    console.log(`bad ${error.message}`);
  }
}
