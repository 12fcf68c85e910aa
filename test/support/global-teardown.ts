/** Removes what the global set-up made; jest calls it in the same process. */
export default async function tearDown(): Promise<void> {
  await globalThis.keywardTestServer?.stop();
}
