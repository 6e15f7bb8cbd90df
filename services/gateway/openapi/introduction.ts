/** What the document says before all operations. */
import { PROBLEM_TYPE } from '../../../mixins/http/index.ts';

export const INTRODUCTION = `A shop's order is paid by a **hold** on the buyer's card. For ten minutes, unless configured, the buyer may cancel or pause; then the payment is captured and the order ships.

| state | what it means | what may follow |
| --- | --- | --- |
| \`Pending\` | the window runs until \`pendingUntil\` | \`OnHold\`, \`CancelRequested\`, \`Confirmed\`, \`PaymentFailed\` |
| \`OnHold\` | paused, until \`heldUntil\` at most; then it is cancelled | \`Pending\`, \`CancelRequested\`, \`PaymentFailed\` |
| \`CancelRequested\` | never captured, never shipped; the money is being released | \`Cancelled\` |
| \`Confirmed\` | the window is over; the money is captured, then the order ships | \`Shipped\`, \`PaymentFailed\` |
| \`Shipped\`, \`Cancelled\`, \`PaymentFailed\` | the end | |

**Times** are RFC 3339 in UTC. The \`Date\` of an answer with an order is the clock that decides over \`pendingUntil\`: count down by it, not by a clock of your own.

**Amounts** are JSON numbers in major units, exact in both directions: read and write them as decimals, not as binary fractions, where they are large.

**Sending again**: whatever is lost on the way may be sent again. Give each new order an \`Idempotency-Key\` of its own; cancel, pause and resume may be repeated as they are. After 429 and 503 wait for \`Retry-After\` seconds.

**Waiting** for an order to change: \`GET /orders/{id}\` with \`If-None-Match\` and \`Prefer: wait=30\`, again and again; every order comes to its end by itself. For many orders there is \`GET /orders/stream\`.

**Errors** are problem details (RFC 9457), \`${PROBLEM_TYPE}\`. Programs go by \`code\`; each operation lists those that it can answer with. A request that cannot be read (JSON, a header, an id) is 400; one that can, with a field, query value or cursor that is not valid, is 422, and \`errors\` names each. Fields and query parameters that are not documented are refused; of a field that comes twice in one object the last counts. Any other path is 404 \`Route.NotFound\`, any other method 405 \`Route.MethodNotAllowed\` with \`Allow\`. HEAD is answered wherever GET is.

**Limits**: a body has at most 16 KiB (256 KiB from Stripe), and the header has at most 16 KiB. A client that asks too often gets 429, a service that has too much to do answers 503 at once, with nothing done.

**Tracing**: a request may carry \`traceparent\` (W3C Trace Context); the answer names its trace in \`X-Request-Id\`, a problem in \`traceId\` as well.

**Browsers**: no other origin is admitted; there are no CORS headers.`;
