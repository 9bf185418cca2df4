/**
 * Gateway: an HTTP server that counts every event exactly once.
 *
 * Owns how the parts are put together, and how they are let go of. Promises that `close()` answers every request that
 * was accepted, and closes what `createGateway` opened and nothing else. Never listens by itself.
 */
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  type FastifyServerOptions,
  LogController,
} from 'fastify';
import type { GatewayStore } from '../store/index.ts';
import { assertAdminToken, createAdminGate } from './admin.ts';
import { createAdmissions } from './admission.ts';
import { sendProblem } from './answers.ts';
import { createArchive } from './archive.ts';
import { addDashboardRoute } from './dashboard.ts';
import { type GatewayData, openData } from './data.ts';
import { GatewayError } from './errors.ts';
import { createFleet } from './fleet.ts';
import { createFlow } from './flow.ts';
import { addHealthRoutes } from './health-routes.ts';
import { createHttpServers, type HttpServers } from './http-server.ts';
import { createIngest } from './ingest.ts';
import { addIngestRoute } from './ingest-route.ts';
import type { KeyRing } from './keyring.ts';
import { flowOptions, type GatewayLimits, HTTP, limitsFrom } from './limits.ts';
import { createMetrics } from './metrics.ts';
import { checkOptions } from './options.ts';
import type { Page } from './pages.ts';
import { addReadRoutes } from './read-routes.ts';
import { valuesOf } from './request-head.ts';
import { startRetention } from './retention.ts';
import { createSensors } from './sensors.ts';
import { createVisitorLog, type VisitorLog } from './visitor-log.ts';

interface GatewaySettings {
  /**
   * Bearer token of the read routes: 16 to 512 visible characters of ASCII. Without one they answer only what comes
   * from this machine for certain: to a gateway that listens by itself, on loopback alone, not behind a proxy and not
   * mounted.
   */
  readonly adminToken?: string | undefined;
  /** PEM texts. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  readonly limits?: Partial<GatewayLimits>;
  /** Epoch milliseconds. Default `Date.now`. */
  readonly clock?: () => number;
  /** A pino logger; without one the gateway is silent. */
  readonly logger?: FastifyBaseLogger;
}

/**
 * Either a folder, which the gateway opens and closes itself (see `data.ts`), or a store and keys that are the caller's
 * to close, after the gateway.
 */
export type GatewayOptions = GatewaySettings &
  (
    | { readonly data: string; readonly store?: never; readonly keys?: never }
    | { readonly store: GatewayStore<Page>; readonly keys: KeyRing; readonly data?: never }
  );

/**
 * A Fastify instance with every route of a gateway; call `listen()` on it.
 * Rejects with an OptionsError `options-invalid` or an AdminTokenError `admin-token-invalid`; with a StoreError or
 * KeyFileError where the folder cannot be opened.
 */
export async function createGateway(options: GatewayOptions): Promise<FastifyInstance> {
  return (await openGateway(options)).app;
}

/** A gateway, and what whoever runs its process can do with it. */
export interface OpenGateway {
  readonly app: FastifyInstance;
  readonly showCertificate: HttpServers['showCertificate'];
  /** Reads the keys anew, where they are in a folder. */
  reloadKeys(): Promise<void>;
}

export async function openGateway(options: GatewayOptions): Promise<OpenGateway> {
  checkOptions(options);
  const limits = limitsFrom(options.limits);
  if (options.adminToken !== undefined) assertAdminToken(options.adminToken);
  const { tls } = options;
  const visitors = createVisitorLog({ logger: options.logger ?? SILENT });
  const servers = createHttpServers({
    tls,
    connectionsMax: limits.connectionsMax,
    onRefusal: (refusal, { remoteAddress: address }) => visitors.refused({ address }, refusal),
  });
  const { showCertificate } = servers;
  if (options.data === undefined) {
    return {
      app: assemble(options, limits, { servers, visitors }, options),
      showCertificate,
      reloadKeys: async () => {},
    };
  }
  const data = await openData(options.data, options.logger);
  const app = assemble(options, limits, { servers, visitors }, data, data);
  return { app, showCertificate, reloadKeys: () => data.keys.reload() };
}

const SILENT = { info() {}, warn() {} };

function assemble(
  { adminToken, tls, logger, clock = Date.now }: GatewaySettings,
  limits: GatewayLimits,
  { servers, visitors }: { readonly servers: HttpServers; readonly visitors: VisitorLog },
  { store, keys }: { readonly store: GatewayStore<Page>; readonly keys: KeyRing },
  owned?: Pick<GatewayData, 'close'>,
): FastifyInstance {
  const app = createServer(servers, tls !== undefined, logger);
  const flow = createFlow(flowOptions(limits));
  const metrics = createMetrics({ store, flow, connections: servers.connections });
  const fleet = createFleet(store);
  const sensors = createSensors({ store, sensorsMax: limits.sensorsMax });
  const admissions = createAdmissions({ store, sensors, limits, archive: createArchive(store) });
  const retention = startRetention({ store, limits, clock, logger: logger ?? app.log });

  app.setErrorHandler((error, request, reply) => void sendProblem(request, reply, error));
  app.setNotFoundHandler(() => {
    throw new GatewayError('not-found', 'no such path');
  });
  app.addHook('onRequest', ({ raw }, _reply, done) => {
    // As HTTP/1.1 has it: without a name, or with two, nobody knows who was called.
    const named = valuesOf(raw, 'host').length;
    const isNamed = named === 1 || (named === 0 && raw.httpVersion === '1.0');
    done(isNamed ? undefined : new GatewayError('headers-invalid', 'host must stand once'));
  });
  const paths = methodsByPath(app);
  addIngestRoute(app, {
    ingest: createIngest({ keys, admissions, fleet, flow, limits, metrics, clock }),
    metrics,
    servers,
    visitors,
  });
  const gate = createAdminGate(app, adminToken);
  const mayRead = (request: FastifyRequest) => {
    try {
      gate(request);
      servers.prove(request.raw.socket);
    } catch (error) {
      visitors.refused({ address: request.raw.socket.remoteAddress }, error as GatewayError);
      throw error;
    }
  };
  addReadRoutes(app, { store, fleet, metrics, mayRead });
  addHealthRoutes(app, store);
  addDashboardRoute(app);
  app.after(() => refuseOtherMethods(app, paths));

  let closing = false;
  app.addHook('onSend', (_request, reply, _payload, done) => {
    // What was asked before closing keeps its connection no longer than its answer takes.
    if (closing) reply.header('connection', 'close');
    done();
  });
  app.addHook('preClose', async () => {
    closing = true;
    setTimeout(() => servers.closeAllConnections(), HTTP.closeGraceMs).unref();
  });
  app.addHook('onClose', async () => {
    metrics.close();
    await retention.close();
    await owned?.close();
  });
  return app;
}

function createServer(servers: HttpServers, isSecure: boolean, logger: FastifyBaseLogger | undefined): FastifyInstance {
  const options = {
    ...(logger !== undefined && { loggerInstance: withoutRemarks(logger) }),
    logController: new LogController({ disableRequestLogging: true }),
    serverFactory: servers.factory,
    routerOptions: { maxParamLength: HTTP.paramBytesMax },
    // What comes over a connection that was accepted is served to the end, and the connection is closed behind it.
    return503OnClosing: false,
    // The servers see to it.
    clientErrorHandler() {},
    frameworkErrors: (error, request, reply) => void sendProblem(request, reply, error),
  } satisfies FastifyServerOptions;
  // Fastify goes by this for the address that it tells.
  return Fastify(isSecure ? ({ ...options, https: {} } as FastifyServerOptions) : options);
}

/** What Fastify itself has to say is for those who look for a fault. */
function withoutRemarks(logger: FastifyBaseLogger): FastifyBaseLogger {
  const quiet = logger.child({});
  quiet.info = quiet.debug;
  return quiet;
}

function methodsByPath(app: FastifyInstance): Map<string, Set<string>> {
  const paths = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const methods = paths.get(url) ?? new Set();
    for (const one of [method].flat()) methods.add(one);
    paths.set(url, methods);
  });
  return paths;
}

/** 405 instead of 404 where it is the method that is wrong. */
function refuseOtherMethods(app: FastifyInstance, paths: ReadonlyMap<string, ReadonlySet<string>>): void {
  for (const [url, methods] of [...paths]) {
    const allow = [...methods].join(', ');
    const others = app.supportedMethods.filter((method) => !methods.has(method));
    app.route({
      method: others,
      url,
      onRequest: (_request, reply) => {
        reply.header('allow', allow);
        throw new GatewayError('method-not-allowed', `this path takes ${allow}`);
      },
      handler: () => {},
    });
  }
}
