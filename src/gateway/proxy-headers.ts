/**
 * ProxyHeaders: what tells that a request was passed on by a proxy, a balancer or a tunnel.
 *
 * There is no end of such headers, so they are known by the words of their names: those for whom, by which way and in
 * whose name something is passed on, and those of who makes such programs. One without a trace cannot be told.
 */
const STEMS = /forward|prox(?:y|ied)|balancer|gateway|tunnel|ingress/;

/** Words of which a name is made: `x-original-url` is three. */
const WORDS = new Set(
  [
    'via ip ipcountry cdn edge hop hops remote real connecting original originating early surrogate disguised',
    'akamai ali amz amzn appengine arr azure bluecoat cf cloudfront envoy fastly fly gfe goog google haproxy heroku',
    'iinfo incap istio kong l5d linkerd nf nginx ngrok railway rndr squid sucuri tailscale traefik varnish vercel',
    'waws wl zscaler',
  ].flatMap((words) => words.split(' ')),
);

/** Of what a proxy was asked, and what it knows of the client and its certificate. */
const OF_THE_FIRST = new RegExp(
  '^(?:x-(?:host|port|scheme|url|https?|user|cluster|request-start|cache|auth|webauth|ms|cloud-trace)' +
    '|(?:x-)?(?:client|ssl|tls)|front-end)(?:-|$)',
);

/** @param name of a header, in lower case */
export function isOfProxy(name: string): boolean {
  return STEMS.test(name) || OF_THE_FIRST.test(name) || name.split(/[-_]/).some((word) => WORDS.has(word));
}
