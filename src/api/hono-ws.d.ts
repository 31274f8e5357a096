/**
 * In place of hono/ws, which the declarations of @hono/node-server import for WebSockets and which does not
 * compile without a browser's types (tsconfig.base.json, `paths`). Nothing here uses WebSockets.
 */
export interface UpgradeWebSocket<Socket = unknown, Options = unknown> {
  readonly socket: Socket;
  readonly options: Options;
}
