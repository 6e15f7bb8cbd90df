/**
 * What the API answers, as far as the page reads it.
 *
 * @typedef {object} Order
 * @property {string} id
 * @property {string} orderNumber
 * @property {string} productName
 * @property {string} amount
 * @property {string} currency
 * @property {'Pending' | 'OnHold' | 'CancelRequested' | 'Cancelled' | 'Confirmed' | 'Shipped' | 'PaymentFailed'} status
 * @property {string} paymentStatus
 * @property {{ type: 'redirect' | 'client_secret', url: string | null } | null} paymentAction
 * @property {string | null} captureBefore
 * @property {string} refundedAmount
 * @property {string} createdAt
 * @property {string} pendingUntil
 * @property {string | null} heldUntil
 * @property {string | null} confirmedAt
 * @property {string | null} cancelledAt
 * @property {string | null} shippedAt
 * @property {string | null} failedAt
 * @property {string | null} failureReason
 *
 * @typedef {object} Attempt
 * @property {string} operation
 * @property {number} attempt
 * @property {string} key
 * @property {string} outcome
 * @property {'call' | 'find'} by
 * @property {string | null} reference
 * @property {string | null} requestId
 * @property {string | null} code
 * @property {string} beganAt
 * @property {string} endedAt
 *
 * @typedef {object} HistoryEvent
 * @property {string} id
 * @property {string} type
 * @property {string} occurredAt
 * @property {number} sequence
 * @property {Readonly<Record<string, unknown>> & { readonly attempts?: readonly Attempt[] }} data
 *
 * @typedef {object} History
 * @property {readonly HistoryEvent[]} data
 * @property {readonly Attempt[]} attempts
 * @property {string | null} paymentPage
 * @property {string | null} nextCursor
 *
 * @typedef {{ readonly orderId: string, readonly orderNumber: string }} Named
 *
 * @typedef {object} Cause
 * @property {string} consumer
 * @property {string} type
 * @property {string} error
 * @property {number} count
 * @property {string} latest
 * @property {readonly string[]} ids
 *
 * @typedef {Named & { readonly refundId: string | null, readonly operation: 'authorize' | 'capture' | 'void' | 'refund', readonly since: string }} Undecided
 *
 * @typedef {object} Overview
 * @property {string} now
 * @property {{
 *   readonly payments: readonly Undecided[],
 *   readonly deadLetters: readonly Cause[],
 *   readonly holdsEndingSoon: { readonly count: number, readonly first: readonly Named[] },
 *   readonly pausedGroups: readonly { readonly group: string, readonly since: string, readonly by: string }[],
 * }} needsAPerson
 * @property {Readonly<Record<'forBuyers' | 'onHold' | 'overdue' | 'forRelease' | 'forCapture' | 'forRefund' | 'messages' | 'oldestMessageSeconds', number>>} waiting
 * @property {readonly { readonly upToSeconds: number | null, readonly orders: number }[]} lateness
 * @property {readonly { readonly id: string, readonly services: readonly string[], readonly available: boolean }[]} nodes
 *
 * @typedef {object} Endpoint
 * @property {string} id
 * @property {string} url
 * @property {string} description
 * @property {'enabled' | 'disabled'} status
 *
 * @typedef {object} Delivery
 * @property {string} eventId
 * @property {string} type
 * @property {string | null} error
 * @property {number | null} responseStatus
 */
export {};
