--------------------------- MODULE ProtectedPayment ---------------------------
(***************************************************************************)
(* The protocol of Protected Payment: buyer, orders, outbox, relays,       *)
(* carrier, inbox, settlement, provider, shipping, sweeper, purge, refunds, *)
(* reconciliation, a person who decides, and a crash of any of them at any *)
(* step.                                                                   *)
(*                                                                         *)
(* How to read it, knowing the code and not TLA+:                          *)
(*  - A state is one value for each VARIABLE: the rows of the tables, what *)
(*    is under way, and a few ghosts that only the properties look at.     *)
(*  - An action is a formula over now (x) and next (x'). Its plain lines   *)
(*    say when it can happen, the primed ones what it changes. TLC tries   *)
(*    every action in every state it can reach: every interleaving.        *)
(*  - A transaction that takes the order's row lock first is ONE action:   *)
(*    nobody who takes that lock too can see it half done. A provider call *)
(*    is never inside one, so settlement has an action for each step.      *)
(*  - Each guard can be taken out by naming it in the constant Removed.    *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets, TLC

CONSTANTS
  Orders,        \* 1..N, the order rows there can be; they are used in turn
  Keys,          \* the Idempotency-Keys of one caller
  Settlers,      \* call slots of settlement processes; each carries one call
  Shippers,      \* call slots of shipping processes
  Relays,        \* relays; {} = a raised message is with the carrier at once
  Removed,       \* the guards that are taken out: a subset of GuardNames
  May,           \* what may happen in this scenario: a subset of MayNames
  Assume,        \* what is assumed of the world: a subset of AssumeNames
  MaxTime,       \* the database's clock runs 0..MaxTime
  Window,        \* CANCELLATION_WINDOW
  HoldLimit,     \* HOLD_LIMIT, counted from the first pause
  CallTimeout,   \* the call's time-out, what attemptUntil is made of
  KeyTrust,      \* 23 h: how long we trust a provider's key; 0 = keys never age
  KeyLife,       \* how long the provider itself remembers a key; 0 = for ever
  CallLife,      \* how long after it was sent a call may still reach the provider; 0 = for ever
  AuthLife,      \* an authorisation expires after this; 0 = never
  Retention,     \* RETENTION; 0 = nothing is purged
  MaxHolds,      \* pauses per order (bound of the search)
  MaxWakes,      \* OrderDue and HoldExpired raised per order (bound of the search)
  MaxCrashes,    \* crashes in all (bound of the search)
  MaxLosses      \* answers that are lost or time out, in all (bound of the search)

GuardNames ==
  { "inbox",            \* a message that is in the inbox is not handled again
    "row lock",         \* cancel and confirm lock the order before they read it
    "clock under lock", \* the clock is read after the lock is held, not before
    "due check",        \* OrderDue: not before due
    "window check",     \* cancel, hold: not at or after due
    "create key",       \* Idempotency-Key of POST /orders
    "provider key",     \* the idempotency key of a provider call
    "parcel key",       \* the idempotency key of the hand-over
    "intent",           \* the intent is committed before the call
    "key age",          \* an aged key: find first, never authorise again
    "attemptUntil",     \* one call at a time
    "void last",        \* void only after no authorise can follow
    "open outcome",     \* an outcome applies only while its operation is open
    "start next",       \* the outcome's transaction starts what the order now asks for
    "ship check",       \* shipping looks whether the payment is captured
    "purge after end",  \* inbox rows outlive their order's end
    "rearm",            \* an early wake-up is armed again under a new id
    "sent after publish", \* the relay marks a row sent after the carrier has the message
    "sweeper",
    "find before repeat", \* a call is repeated only after find has shown that nothing was done
    "remembered only",  \* only after a remembered error "nothing is there" ends an authorise
    "no second key for authorise",
    "no second key for refund",
    "stored amount",    \* an authorise is repeated with the amount that was stored with its intent
    "amended amount",   \* the capture takes the amount as last amended
    "cancel at the provider", \* an intent that waits for the buyer is cancelled there too
    "ask at due",       \* only a question asked at or after due ends what waits for the buyer
    "latest question",  \* ... and no answer to an earlier question, which took its time
    "void before failed", \* ... and where the order is confirmed: voided first, PaymentFailed then
    "cancel after a decline", \* the browser of a buyer who was asked to act, and failed, could still pay: cancelled there
    "gone is told",     \* a capture of money that was let go has failed, it is not "done already"
    "rest in pause",    \* a pause leaves the rest of the window, before the hold ends
    "refund lock",      \* the sum of the refunds is checked under the row lock
    "decision checked", \* a person's decision is refused where find shows something else
    "decision waits",   \* a person decides only once no call can arrive any more
    "reconcile" }

MayNames ==
  { "messages",         \* outbox, carrier and inbox take part; without it the sweeper
                        \* does each step, at any moment at which a message could come
    "cancel", "hold",   \* what the buyer may do besides creating
    "decline",          \* the provider may decline an authorisation
    "refuse",           \* the provider may refuse a capture for good
    "early",            \* the carrier may deliver a wake-up before its time
    "forget",           \* the carrier takes what was acknowledged off its list, and may
                        \* lose all it holds. Without it, a message once published can
                        \* come at any time, again and again, or never
    "double",           \* with "forget": it may deliver a message again
    "only relays die",  \* no crash but the relays'
    "memory",           \* the provider may answer a new key with an error, the work done or not,
                        \* and answer the same key so for ever (counts as a loss)
    "later",            \* what it answered with an error it may still do later
    "search",           \* find looks into an index that lags behind, and may not know an authorisation yet
    "authenticate",     \* an authorisation may need the buyer (3-D Secure)
    "lapse",            \* the provider may let a hold go before its time (counts as a loss)
    "amend",            \* the buyer may lower the amount
    "refund",           \* an admin may refund
    "take back",        \* the provider may take a refund back (counts as a loss)
    "person",           \* a person may decide what nobody knows
    "reconcile",        \* reconciliation walks the provider's list
    "shipped" }         \* the orders are shipped already when the story begins

AssumeNames ==
  { "sent in time",     \* no process begins a call after that call's attemptUntil
    "capture is told",  \* the provider's port tells "already captured" from "refused"
    "parcel keys last", \* the parcel service never forgets a key
    "refunds are checked", \* the provider itself never gives back more than it took
    "prompt",           \* every call is answered and stored before its attemptUntil
    "time suffices" }   \* what would fall after MaxTime falls on MaxTime, so that the end of
                        \* the bounded clock cuts no story short (for I4 only)

ASSUME /\ Removed \subseteq GuardNames
       /\ May \subseteq MayNames
       /\ Assume \subseteq AssumeNames

Guard(g) == g \notin Removed

VARIABLES
  clock,   \* the database's clock
  ord,     \* table orders
  pay,     \* table payments
  shp,     \* the shipment of an order: its intent and whether it is handed over
  keys,    \* table idempotency_keys
  refunds, \* table refunds
  outbox,  \* table outbox_messages
  relay,   \* what each relay has in hand
  carrier, \* what the carrier holds
  inbox,   \* table inbox_messages
  work,    \* the call each slot of settlement and shipping has in hand
  net,     \* calls on their way to the provider; they outlive their caller
  bank,    \* the provider
  parcel,  \* the parcel service
  tx,      \* transactions that have read and not yet written (only without the row lock)
  crashes, losses,          \* what is left of these faults
  said,    \* ghost: orders whose cancel was answered 2xx
  late,    \* ghost: what was done outside the exact window
  done,    \* ghost: messages whose handler has committed an effect; never purged
  again    \* ghost: one of them has committed an effect a second time

vars == <<clock, ord, pay, shp, keys, refunds, outbox, relay, carrier, inbox, work, net, bank,
          parcel, tx, crashes, losses, said, late, done, again>>

wire     == <<outbox, carrier>>
handled  == <<inbox, done, again>>
provider == <<net, bank, parcel>>
faults   == <<crashes, losses>>
ghosts   == <<said, late>>

Slots      == Settlers \cup Shippers
Final      == {"Shipped", "Cancelled", "PaymentFailed"}
Statuses   == {"none", "Pending", "OnHold", "CancelRequested", "Confirmed"} \cup Final
Operations == {"authorise", "capture", "void"}

Max(a, b) == IF a > b THEN a ELSE b
Min(a, b) == IF a < b THEN a ELSE b

(* the sum of f[1], f[2], as far as there are any *)
Sum(f) == (IF 1 \in DOMAIN f THEN f[1] ELSE 0) + (IF 2 \in DOMAIN f THEN f[2] ELSE 0)

(* the moment t as it is stored *)
At(t) == IF "time suffices" \in Assume THEN Min(t, MaxTime) ELSE t

(* An order's amount; it can be lowered once. Refunds are of 1 to Full.     *)
Full       == 2
RefundNos  == 1..(IF "refund" \in May THEN 2 ELSE 0)

(* what the provider keeps of a key: the answer, and the amount of the request *)
NoMemory  == [ans |-> "none", at |-> 0, amt |-> 0]

NoOrder   == [st |-> "none", due |-> 0, rest |-> 0, limit |-> 0, holds |-> 0, wakes |-> 0,
              key |-> "none", made |-> 0, ended |-> 0, amt |-> Full]
(* key: the number of the open operation's key; err: a minute after its     *)
(* first remembered error, 0 without one; amt: the amount of the authorise  *)
NoPayment == [st |-> "Requested", op |-> "none", until |-> 0, first |-> 0, person |-> FALSE,
              key |-> 1, err |-> 0, amt |-> Full]
NoShip    == [st |-> "none", until |-> 0]
NoRefund  == [st |-> "none", amt |-> 0, until |-> 0, key |-> 1, err |-> 0, tried |-> FALSE]
(* mem: the first keys; more: the next keys and those of refunds; pend:     *)
(* calls that were answered with an error and whose work may yet be done;   *)
(* acted: the buyer did before due what the bank asked; back: captured, and *)
(* given back by reconciliation                                             *)
NoHold    == [hold |-> "none", exp |-> 0, auths |-> 0, captures |-> 0, voids |-> 0,
              mem |-> [x \in Operations |-> NoMemory], more |-> {}, pend |-> {},
              amt |-> 0, taken |-> 0, acted |-> FALSE, back |-> FALSE,
              refs |-> [n \in RefundNos |-> [moves |-> 0, amt |-> 0, back |-> FALSE]]]
NoParcel  == [n |-> 0, known |-> FALSE]
(* nothing: what it means for the call in hand that find shows nothing      *)
(* done: it is sent, a person must decide, or the outcome itself            *)
Idle      == [stage |-> "idle", o |-> 0, op |-> "none", ans |-> "none", till |-> 0, last |-> FALSE,
              n |-> 0, key |-> 1, amt |-> 0, begun |-> 0, nothing |-> "send"]
NoMessage == [type |-> "none", o |-> 0, n |-> 0, moment |-> 0]
Free      == [stage |-> "idle", m |-> NoMessage]

Msg(type, o, n, moment) == [type |-> type, o |-> o, n |-> n, moment |-> moment]

Shipped == "shipped" \in May

Init ==
  /\ clock = 0
  /\ ord = [o \in Orders |-> IF Shipped THEN [NoOrder EXCEPT !.st = "Shipped"] ELSE NoOrder]
  /\ pay = [o \in Orders |-> IF Shipped THEN [NoPayment EXCEPT !.st = "Captured"] ELSE NoPayment]
  /\ shp = [o \in Orders |-> IF Shipped THEN [NoShip EXCEPT !.st = "done"] ELSE NoShip]
  /\ keys = {}
  /\ refunds = [o \in Orders |-> [n \in RefundNos |-> NoRefund]]
  /\ outbox = {}
  /\ relay = [r \in Relays |-> Free]
  /\ carrier = {}
  /\ inbox = {}
  /\ work = [p \in Slots |-> Idle]
  /\ net = {}
  /\ bank = [o \in Orders |-> IF Shipped THEN [NoHold EXCEPT !.hold = "captured", !.auths = 1, !.captures = 1,
                                                             !.amt = Full, !.taken = Full] ELSE NoHold]
  /\ parcel = [o \in Orders |-> IF Shipped THEN [n |-> 1, known |-> TRUE] ELSE NoParcel]
  /\ tx = {}
  /\ crashes = MaxCrashes
  /\ losses = MaxLosses
  /\ said = {}
  /\ late = {}
  /\ done = {}
  /\ again = FALSE

-------------------------------------------------------------------------------
(* Helpers *)

(* unit of work: the messages ms that the transaction raises are stored with *)
(* it. `taken` is what the carrier takes off its list with this transaction. *)
Raise(ms, taken) ==
  IF "messages" \notin May THEN UNCHANGED wire
  ELSE IF Relays = {} THEN /\ carrier' = (carrier \ taken) \cup ms
                           /\ UNCHANGED outbox
  ELSE /\ outbox' = outbox \cup {[m |-> m, st |-> "new"] : m \in ms}
       /\ carrier' = carrier \ taken

(* the inbox row of message m, in the same transaction as its effect *)
Record(m) ==
  /\ inbox' = inbox \cup {m}
  /\ done' = done \cup {m}
  /\ again' = (again \/ m \in done)

(* an order that comes to its end: purge counts from here *)
Ended(s) == IF s.st \in Final /\ Retention > 0 THEN [s EXCEPT !.ended = clock] ELSE s

Aged(p) == KeyTrust > 0 /\ clock >= p.first + KeyTrust

(* domain: what the order's state s asks of the payment p *)
Wants(s, p) ==
  IF p.st = "ActionRequired" /\ p.op = "authorise"
  THEN IF s # "CancelRequested" THEN "nothing" ELSE IF Guard("cancel at the provider") THEN "void" ELSE "release"
  ELSE IF p.op # "none" /\ (Guard("void last") \/ s # "CancelRequested" \/ p.op # "authorise") THEN "nothing"
  ELSE IF p.op = "authorise" THEN "void"
  ELSE CASE p.st = "Requested"  /\ s \in {"Pending", "OnHold", "Confirmed"} -> "authorise"
         [] p.st = "Requested"  /\ s = "CancelRequested"                    -> "release"
         [] p.st = "Authorized" /\ s = "Confirmed"                          -> "capture"
         [] p.st = "Authorized" /\ s = "CancelRequested"                    -> "void"
         [] OTHER                                                           -> "nothing"

(* domain: the payment of order s with the intent of operation op stored *)
WithIntent(p, s, op) ==
  IF ~Guard("intent") THEN p
  ELSE [p EXCEPT !.op = op, !.until = At(clock + CallTimeout),
                 !.first = IF KeyTrust > 0 THEN clock ELSE 0, !.key = 1, !.err = 0,
                 !.person = @ /\ "person" \notin May,
                 !.amt = IF op = "authorise" THEN s.amt ELSE @]

(* domain: the amount that a call carries *)
Amount(p, s, op) ==
  CASE op = "authorise" -> IF Guard("stored amount") THEN p.amt ELSE s.amt
    [] op = "capture"   -> IF Guard("amended amount") THEN s.amt ELSE p.amt
    [] OTHER            -> 0

(* the call that a slot now has in hand; `last` as long as nobody repeats it *)
Call(stage, o, op) ==
  [Idle EXCEPT !.stage = stage, !.o = o, !.op = op, !.till = At(clock + CallTimeout), !.last = TRUE]

(* the call that the payment p of order s is about to make *)
PaymentCall(stage, o, p, s, op) ==
  [Call(stage, o, op) EXCEPT !.key = p.key, !.amt = Amount(p, s, op),
                             !.begun = IF "authenticate" \in May THEN clock ELSE 0]

(* slot p takes up a call; an earlier attempt at the same is the last no more *)
TakenUp(p, call) ==
  [q \in Slots |-> IF q = p THEN call
                   ELSE IF work[q].o = call.o /\ work[q].op = call.op /\ work[q].n = call.n
                   THEN [work[q] EXCEPT !.last = FALSE]
                   ELSE work[q]]

-------------------------------------------------------------------------------
(* Buyer and orders service *)

(* orders.create: the order, its payment, OrderPending, OrderDue and the   *)
(* idempotency row in one transaction. A key that is stored already is     *)
(* answered with what was answered first: nothing changes, so there is no  *)
(* action for it.                                                          *)
Create(k) ==
  \E o \in Orders :
    /\ ord[o].st = "none"
    /\ \A x \in Orders : x < o => ord[x].st # "none"
    /\ Guard("create key") => \A row \in keys : row.key # k
    /\ ord' = [ord EXCEPT ![o] = [NoOrder EXCEPT !.st = "Pending", !.due = At(clock + Window), !.wakes = 1,
                                                  !.key = k, !.made = IF Retention > 0 THEN clock ELSE 0]]
    /\ keys' = keys \cup {[key |-> k, o |-> o, at |-> IF Retention > 0 THEN clock ELSE 0]}
    /\ Raise({Msg("OrderPending", o, 1, 0), Msg("OrderDue", o, 1, At(clock + Window))}, {})
    /\ UNCHANGED <<clock, pay, shp, refunds, relay, work, provider, tx, faults, ghosts, handled>>

(* domain: may the buyer cancel this order at moment t *)
MayCancel(s, t) ==
  \/ s.st = "OnHold"
  \/ s.st = "Pending" /\ (Guard("window check") => t < s.due)

(* orders.cancel: the transaction's effect *)
CancelNow(o) ==
  /\ ord' = [ord EXCEPT ![o].st = "CancelRequested"]
  /\ said' = said \cup {o}
  /\ late' = IF ord[o].st = "Pending" /\ clock >= ord[o].due THEN late \cup {"cancel after due"} ELSE late
  /\ Raise({Msg("OrderCancelRequested", o, 1, 0)}, {})
  /\ UNCHANGED <<clock, pay, shp, keys, refunds, relay, work, provider, faults, handled>>

(* orders.cancel: lock the order, read the clock, decide, save *)
Cancel(o) ==
  /\ "cancel" \in May
  /\ Guard("row lock") /\ Guard("clock under lock")
  /\ MayCancel(ord[o], clock)
  /\ CancelNow(o)
  /\ UNCHANGED tx

(* orders.cancel without the lock, or with the clock read before it: read ... *)
CancelRead(o) ==
  /\ "cancel" \in May
  /\ ~(Guard("row lock") /\ Guard("clock under lock"))
  /\ ord[o].st # "none"
  /\ \A t \in tx : ~(t.kind = "cancel" /\ t.o = o)
  /\ ~Guard("row lock") => MayCancel(ord[o], clock)
  /\ tx' = tx \cup {[kind |-> "cancel", o |-> o, at |-> clock]}
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, work, provider, faults, ghosts, handled, wire>>

(* ... and write *)
CancelWrite ==
  \E t \in tx :
    /\ t.kind = "cancel"
    /\ Guard("row lock") => MayCancel(ord[t.o], t.at)
    /\ CancelNow(t.o)
    /\ tx' = tx \ {t}

(* When a pause ends by itself. The provider told with the authorisation   *)
(* when it will let the money go; what is left of the window must fit in   *)
(* before that. (An hour less is less than a unit of time; that the money  *)
(* is not there AT its end is the 1.)                                      *)
EndOfPause(s, o) ==
  LET rest == IF Guard("rest in pause") THEN Max(s.rest, 1) ELSE 0
      end  == rest + 1
  IN IF "lapse" \in May /\ pay[o].st = "Authorized" /\ bank[o].exp > 0
     THEN Min(s.limit, IF bank[o].exp > end THEN bank[o].exp - end ELSE 0)
     ELSE s.limit

(* orders.hold: Pending -> OnHold, with the wake-up HoldExpired *)
Hold(o) ==
  LET s == ord[o]
      limit == IF s.limit = 0 THEN At(clock + HoldLimit) ELSE s.limit
      rest == IF s.due > clock THEN s.due - clock ELSE 0
  IN /\ "hold" \in May
     /\ "lapse" \in May => clock < EndOfPause([s EXCEPT !.limit = limit, !.rest = rest], o)
     /\ s.st = "Pending" /\ s.holds < MaxHolds /\ s.wakes < MaxWakes
     /\ Guard("window check") => clock < s.due
     /\ s.limit > 0 => clock < s.limit
     /\ ord' = [ord EXCEPT ![o] = [s EXCEPT !.st = "OnHold", !.rest = rest,
                                            !.limit = limit, !.holds = @ + 1, !.wakes = @ + 1]]
     /\ late' = IF clock >= s.due THEN late \cup {"pause after due"} ELSE late
     /\ Raise({Msg("HoldExpired", o, s.wakes + 1, limit)}, {})
     /\ UNCHANGED <<clock, pay, shp, keys, refunds, relay, work, provider, tx, faults, said, handled>>

(* orders.resume: OnHold -> Pending; the new due is now + the rest of the  *)
(* window, at least one unit, with an OrderDue of its own                  *)
Resume(o) ==
  LET s == ord[o]
      due == At(clock + Max(s.rest, 1))
  IN /\ "hold" \in May
     /\ s.st = "OnHold" /\ clock < EndOfPause(s, o) /\ s.wakes < MaxWakes
     /\ ord' = [ord EXCEPT ![o] = [s EXCEPT !.st = "Pending", !.due = due, !.rest = 0, !.wakes = @ + 1]]
     /\ Raise({Msg("OrderDue", o, s.wakes + 1, due)}, {})
     /\ late' = IF "lapse" \in May /\ pay[o].st = "Authorized" /\ bank[o].exp > 0 /\ due >= bank[o].exp
                THEN late \cup {"due after the hold has ended"} ELSE late
     /\ UNCHANGED <<clock, pay, shp, keys, refunds, relay, work, provider, tx, faults, said, handled>>

(* domain: may the buyer lower the amount now; as for a pause *)
MayAmend(s, o) ==
  /\ s.amt > 1
  /\ \/ s.st = "Pending" /\ (Guard("window check") => clock < s.due) /\ (s.limit > 0 => clock < s.limit)
     \/ s.st = "OnHold" /\ clock < EndOfPause(s, o)

(* orders.amend: lock the order, read the clock, decide, save *)
AmendNow(o) ==
  /\ ord' = [ord EXCEPT ![o].amt = @ - 1]
  /\ late' = IF ord[o].st = "Pending" /\ clock >= ord[o].due THEN late \cup {"amend after due"} ELSE late
  /\ UNCHANGED <<clock, pay, shp, keys, refunds, relay, work, provider, faults, said, handled, wire>>

Amend(o) ==
  /\ "amend" \in May
  /\ Guard("row lock") /\ MayAmend(ord[o], o)
  /\ AmendNow(o)
  /\ UNCHANGED tx

(* the same without the lock: read ... *)
AmendRead(o) ==
  /\ "amend" \in May
  /\ ~Guard("row lock") /\ MayAmend(ord[o], o)
  /\ \A t \in tx : ~(t.kind = "amend" /\ t.o = o)
  /\ tx' = tx \cup {[kind |-> "amend", o |-> o, at |-> clock]}
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, work, provider, faults, ghosts, handled, wire>>

(* ... and write *)
AmendWrite ==
  \E t \in tx :
    /\ t.kind = "amend"
    /\ AmendNow(t.o)
    /\ tx' = tx \ {t}

-------------------------------------------------------------------------------
(* Relay: claim and lease (committed), publish, mark as sent               *)

(* relay: claim a row. A lease can have run out whenever someone looks, so *)
(* a leased row can be claimed too.                                        *)
RelayClaim(r) ==
  \E row \in outbox :
    /\ relay[r] = Free
    /\ row.st \in {"new", "leased"}
    /\ outbox' = (outbox \ {row}) \cup {[row EXCEPT !.st = IF Guard("sent after publish") THEN "leased" ELSE "sent"]}
    /\ relay' = [relay EXCEPT ![r] = [stage |-> "claimed", m |-> row.m]]
    /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, carrier, work, provider, tx, faults, ghosts, handled>>

(* relay: publish, and the carrier confirms *)
RelayPublish(r) ==
  /\ relay[r].stage = "claimed"
  /\ carrier' = carrier \cup {relay[r].m}
  /\ relay' = [relay EXCEPT ![r].stage = "published"]
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, outbox, work, provider, tx, faults, ghosts, handled>>

(* relay: mark the row as sent *)
RelayMark(r) ==
  /\ relay[r].stage = "published"
  /\ outbox' = {IF row.m = relay[r].m THEN [row EXCEPT !.st = "sent"] ELSE row : row \in outbox}
  /\ relay' = [relay EXCEPT ![r] = Free]
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, carrier, work, provider, tx, faults, ghosts, handled>>

(* a relay dies; its lease runs out *)
RelayCrash(r) ==
  /\ crashes > 0 /\ relay[r] # Free
  /\ relay' = [relay EXCEPT ![r] = Free]
  /\ crashes' = crashes - 1
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, outbox, carrier, work, provider, tx, losses, ghosts, handled>>

(* the carrier loses everything that it holds *)
CarrierForgets ==
  /\ "forget" \in May /\ "only relays die" \notin May
  /\ carrier # {} /\ crashes > 0
  /\ carrier' = {}
  /\ crashes' = crashes - 1
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, outbox, relay, work, provider, tx, losses, ghosts, handled>>

-------------------------------------------------------------------------------
(* Deadlines *)

(* settlement: confirm an order that is due *)
Confirm(o, taken) ==
  /\ ord' = [ord EXCEPT ![o].st = "Confirmed"]
  /\ Raise({Msg("OrderConfirmed", o, 1, 0)}, taken)
  /\ UNCHANGED <<clock, pay, shp, keys, refunds, relay, work, provider, faults, ghosts>>

(* (what waits for the buyer is asked for first, see Asked) *)
CanConfirm(o) == ord[o].st = "Pending" /\ pay[o].st # "ActionRequired" /\ (Guard("due check") => clock >= ord[o].due)

(* settlement: the hold limit has passed *)
ExpireHold(o, taken) ==
  /\ ord' = [ord EXCEPT ![o].st = "CancelRequested"]
  /\ Raise({Msg("OrderCancelRequested", o, 1, 0)}, taken)
  /\ UNCHANGED <<clock, pay, shp, keys, refunds, relay, work, provider, tx, faults, ghosts>>

CanExpire(o) == ord[o].st = "OnHold" /\ clock >= EndOfPause(ord[o], o)

(* settlement: a wake-up that came early is armed again under a new id, in *)
(* the same transaction as its inbox row                                   *)
IsEarly(m) ==
  /\ clock < m.moment
  /\ \/ m.type = "OrderDue"    /\ ord[m.o].st = "Pending" /\ m.moment = ord[m.o].due /\ Guard("due check")
     \/ m.type = "HoldExpired" /\ ord[m.o].st = "OnHold"  /\ m.moment = ord[m.o].limit

Rearm(m, taken) ==
  /\ "early" \in May /\ ord[m.o].wakes < MaxWakes
  /\ ord' = [ord EXCEPT ![m.o].wakes = @ + 1]
  /\ Raise(IF Guard("rearm") THEN {Msg(m.type, m.o, ord[m.o].wakes + 1, m.moment)} ELSE {}, taken)
  /\ UNCHANGED <<clock, pay, shp, keys, refunds, relay, work, provider, tx, faults, ghosts>>

(* without the row lock: the handler of OrderDue reads ... *)
ConfirmRead(o) ==
  /\ ~Guard("row lock")
  /\ CanConfirm(o)
  /\ \A t \in tx : ~(t.kind = "confirm" /\ t.o = o)
  /\ tx' = tx \cup {[kind |-> "confirm", o |-> o, at |-> clock]}
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, work, provider, faults, ghosts, handled, wire>>

(* ... and writes *)
ConfirmWrite ==
  \E t \in tx :
    /\ t.kind = "confirm"
    /\ Confirm(t.o, {})
    /\ tx' = tx \ {t}
    /\ UNCHANGED handled

-------------------------------------------------------------------------------
(* Settlement: store the intent, call, store the outcome                   *)

CanRepeat(o) ==
  /\ pay[o].op # "none"
  /\ Guard("attemptUntil") => clock >= pay[o].until

(* settlement: under the order's lock, store the intent of what the order  *)
(* asks for. Slot p will make the call.                                    *)
StoreIntent(o, p, taken) ==
  LET w == Wants(ord[o].st, pay[o])
  IN /\ w \in Operations
     /\ work[p] = Idle
     /\ pay' = [pay EXCEPT ![o] = WithIntent(@, ord[o], w)]
     /\ work' = TakenUp(p, PaymentCall("send", o, pay'[o], ord[o], w))
     /\ Raise({}, taken)
     /\ UNCHANGED <<clock, ord, shp, keys, refunds, relay, provider, tx, faults, ghosts>>

(* settlement: cancelled before any authorise intent was stored: Requested *)
(* -> Voided without a call                                                *)
ReleaseUnasked(o, taken) ==
  /\ Wants(ord[o].st, pay[o]) = "release"
  /\ pay' = [pay EXCEPT ![o].st = "Voided", ![o].op = "none"]
  /\ ord' = [ord EXCEPT ![o] = Ended([ord[o] EXCEPT !.st = "Cancelled"])]
  /\ Raise({}, taken)
  /\ UNCHANGED <<clock, shp, keys, refunds, relay, work, provider, tx, faults, ghosts>>

(* domain: a remembered error of a capture or void is followed by the next *)
(* key, in the transaction that moves attemptUntil on. It is used only if  *)
(* find then shows that nothing was done.                                  *)
NextKey(p) ==
  IF p.err > 0 /\ (p.op # "authorise" \/ ~Guard("no second key for authorise"))
  THEN [p EXCEPT !.key = @ + 1, !.err = 0, !.first = IF KeyTrust > 0 THEN clock ELSE 0]
  ELSE p

(* domain: what it means for the open operation that find shows nothing    *)
NothingMeans(p) ==
  IF p.op # "authorise" THEN "send"
  ELSE IF ~Guard("remembered only") \/ (p.err > 0 /\ clock >= p.err) THEN "Declined"
  ELSE IF Guard("key age") /\ Aged(p) THEN "person"
  ELSE "send"

(* settlement: take up an open operation after its attemptUntil, moving    *)
(* that on; the provider is asked first what became of it. (What is before *)
(* a person is left to the person.)                                        *)
Repeat(o, p, taken) ==
  LET q == NextKey(pay[o])
      asks == Guard("find before repeat") \/ (Guard("key age") /\ Aged(q))
  IN /\ CanRepeat(o)
     /\ ~("person" \in May /\ pay[o].person)
     /\ work[p] = Idle
     /\ pay' = [pay EXCEPT ![o] = [q EXCEPT !.until = At(clock + CallTimeout)]]
     /\ work' = TakenUp(p, [PaymentCall(IF asks THEN "find" ELSE "send", o, q, ord[o], q.op)
                              EXCEPT !.nothing = NothingMeans(q)])
     /\ Raise({}, taken)
     /\ UNCHANGED <<clock, ord, shp, keys, refunds, relay, provider, tx, faults, ghosts>>

CanSettle(o) == Wants(ord[o].st, pay[o]) # "nothing" \/ CanRepeat(o)

(* payments.resolve: a person decides what became of an open operation. It *)
(* is taken up as if to repeat it, so nobody calls meanwhile; find is      *)
(* asked, and what it shows counts, not the decision.                      *)
Decisions(op) ==
  CASE op = "authorise" -> {"Authorized", "Declined"}
    [] op = "capture"   -> {"Captured", "Refused"}
    [] op = "void"      -> {"Voided"}
    [] OTHER            -> {}

(* a decision that can be true although find shows nothing done *)
CanBeTrue(says) == says \in {"Declined", "Refused"}

Decide(o, p) ==
  /\ "person" \in May
  /\ pay[o].st \in {"Unknown", "ActionRequired"}
  /\ CanRepeat(o)
  /\ Guard("decision waits") => \/ clock > pay[o].until + CallLife
                                \/ "time suffices" \in Assume /\ \A c \in net : c.o # o
  /\ work[p] = Idle
  /\ \E says \in Decisions(pay[o].op) :
       /\ Guard("decision checked") => CanBeTrue(says)
       /\ pay' = [pay EXCEPT ![o].until = At(clock + CallTimeout)]
       /\ work' = TakenUp(p,
            IF Guard("decision checked")
            THEN [PaymentCall("find", o, pay[o], ord[o], pay[o].op) EXCEPT !.nothing = says]
            ELSE [PaymentCall("answer", o, pay[o], ord[o], pay[o].op) EXCEPT !.ans = says])
  /\ UNCHANGED <<clock, ord, shp, keys, refunds, relay, provider, tx, faults, ghosts, wire, handled>>

(* settlement: the call leaves the process *)
Send(p) ==
  /\ work[p].stage = "send"
  /\ "sent in time" \in Assume => clock < work[p].till
  /\ net' = net \cup {[o |-> work[p].o, op |-> work[p].op, from |-> p,
                       n |-> work[p].n, key |-> work[p].key, amt |-> work[p].amt,
                       by |-> IF CallLife > 0 THEN At(clock + CallLife) ELSE 0]}
  /\ work' = [work EXCEPT ![p].stage = "wait"]
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, bank, parcel, tx, faults, ghosts, handled, wire>>

Held(o) == bank[o].hold = "held" /\ (AuthLife > 0 => clock < bank[o].exp)

(* what could still take or hold money *)
Releasable(o) == Held(o) \/ bank[o].hold \in {"waiting", "failed"}

(* what the provider remembers of a key; a refund has keys of its own *)
Memory(b, c) ==
  IF c.op \in Operations /\ c.key = 1 THEN b.mem[c.op]
  ELSE LET mine == {m \in b.more : m.op = c.op /\ m.n = c.n /\ m.key = c.key}
       IN IF mine = {} THEN NoMemory ELSE (CHOOSE m \in mine : TRUE).mem

Remembering(b, c, ans) ==
  LET mem == [ans |-> ans, at |-> IF KeyLife > 0 THEN clock ELSE 0, amt |-> IF "amend" \in May THEN c.amt ELSE 0]
  IN IF c.op \in Operations /\ c.key = 1 THEN [b EXCEPT !.mem[c.op] = mem]
     ELSE [b EXCEPT !.more = {m \in @ : ~(m.op = c.op /\ m.n = c.n /\ m.key = c.key)}
                             \cup {[op |-> c.op, n |-> c.n, key |-> c.key, mem |-> mem]}]

Answered(b, op, n, ans) ==
  \/ op \in Operations /\ b.mem[op].ans = ans
  \/ \E m \in b.more : m.op = op /\ m.n = n /\ m.mem.ans = ans

(* what is said of a capture whose money the provider has let go *)
Gone == IF Guard("gone is told") THEN "Refused" ELSE "Captured"

(* provider: find tells what it has for this order now, whatever it has    *)
(* answered before                                                         *)
Found(o, op, n) ==
  LET b == bank[o]
  IN CASE op = "authorise" /\ b.auths > 0                             -> "Authorized"
       [] op = "authorise" /\ b.hold = "waiting"                      -> "ActionRequired"
       [] op = "authorise" /\ b.hold \in {"declined", "failed"}        -> "Declined"
       [] op = "capture"   /\ b.captures > 0                          -> "Captured"
       [] op = "capture"   /\ Answered(b, op, n, "Refused")           -> "Refused"
       [] op = "capture"   /\ "lapse" \in May /\ ~Held(o)             -> Gone
       [] op = "void"      /\ (b.voids > 0 \/ ~Releasable(o))         -> "Voided"
       [] op = "refund" /\ b.refs[n].back                             -> "NotRefunded"
       [] op = "refund" /\ b.refs[n].moves > 0                        -> "Refunded"
       [] op = "refund" /\ Answered(b, op, n, "NotRefunded")          -> "NotRefunded"
       [] OTHER                                                       -> "nothing"

Find(p) ==
  \E found \in {Found(work[p].o, work[p].op, work[p].n)}
              \cup (IF "search" \in May /\ work[p].op = "authorise" THEN {"nothing"} ELSE {}) :
     /\ work[p].stage = "find"
     /\ "sent in time" \in Assume => clock < work[p].till
     /\ work' = [work EXCEPT ![p] =
          IF found # "nothing" THEN [@ EXCEPT !.stage = "answer", !.ans = found, !.nothing = "send"]
          ELSE IF work[p].nothing = "send" THEN [@ EXCEPT !.stage = "send"]
          ELSE [@ EXCEPT !.stage = "answer", !.ans = work[p].nothing, !.nothing = "send"]]
     /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, provider, tx, faults, ghosts, handled, wire>>

(* what the provider has given back of an order's money *)
Moved(o) == Sum([n \in RefundNos |-> IF bank[o].refs[n].back THEN 0 ELSE bank[o].refs[n].moves * bank[o].refs[n].amt])

GivesBack(c) == "refunds are checked" \in Assume => Moved(c.o) + c.amt <= bank[c.o].taken

(* the provider's answers that are possible for a call under a new key *)
Answers(c) ==
  CASE c.op = "authorise" -> {"Authorized"} \cup (IF "decline" \in May THEN {"Declined"} ELSE {})
                                            \cup (IF "authenticate" \in May THEN {"ActionRequired"} ELSE {})
    [] c.op = "capture" ->
         IF Held(c.o) THEN {"Captured"} \cup (IF "refuse" \in May THEN {"Refused"} ELSE {})
         ELSE IF bank[c.o].captures > 0 /\ "capture is told" \in Assume THEN {"Captured"}
         ELSE {Gone}
    [] c.op = "void" -> IF bank[c.o].captures > 0 THEN {"Unknown"} ELSE {"Voided"}
    [] c.op = "refund" -> (IF GivesBack(c) THEN {"Refunded"} ELSE {})
                          \cup (IF "refuse" \in May \/ ~GivesBack(c) THEN {"NotRefunded"} ELSE {})

(* the provider after it has done what `ans` says. What is held after a    *)
(* refused capture is released by reconciliation, where that takes part.   *)
Performed(b, c, ans) ==
  CASE ans = "Authorized" -> [b EXCEPT !.auths = @ + 1, !.hold = "held", !.amt = c.amt,
                                       !.exp = IF AuthLife > 0 THEN clock + AuthLife ELSE 0]
    [] ans = "ActionRequired" -> [b EXCEPT !.hold = "waiting", !.amt = c.amt]
    [] ans = "Declined"   -> [b EXCEPT !.hold = "declined"]
    [] ans = "Captured" /\ Held(c.o) -> [b EXCEPT !.captures = @ + 1, !.hold = "captured", !.taken = c.amt]
    [] ans = "Refused"  /\ Held(c.o) /\ "reconcile" \notin May -> [b EXCEPT !.hold = "refused"]
    [] ans = "Voided"   /\ Releasable(c.o) -> [b EXCEPT !.voids = @ + 1, !.hold = "voided"]
    [] ans = "Refunded"   -> [b EXCEPT !.refs[c.n] = [moves |-> @.moves + 1, amt |-> c.amt, back |-> FALSE]]
    [] OTHER              -> b

(* does the provider remember the key of this call *)
Known(c) ==
  LET m == Memory(bank[c.o], c)
  IN Guard("provider key") /\ m.ans # "none" /\ (KeyLife > 0 => clock < m.at + KeyLife)

(* the answer under a key that it remembers: the first one again, marked   *)
(* as remembered; another amount under the same key is refused             *)
Again(c) ==
  LET m == Memory(bank[c.o], c)
  IN IF "amend" \in May /\ m.amt # c.amt THEN "Unknown"
     ELSE IF m.ans = "Error" THEN "Remembered" ELSE m.ans

(* the answer reaches the slot that waits for it, if one still does *)
Reaches(c, ans) ==
  IF c.from \in Slots THEN [work EXCEPT ![c.from] = [@ EXCEPT !.stage = "answer", !.ans = ans]] ELSE work

CaptureAt(o, ans) == IF ans = "Captured" /\ clock < ord[o].due THEN {"capture before due"} ELSE {}

(* what may yet be done, of a call that was answered with an error *)
MayComeLater(c) ==
  IF "later" \in May THEN {[c EXCEPT !.from = "nobody", !.by = 0]} ELSE {}

(* provider: a call arrives, however late, whether or not its caller lives *)
ProviderPerforms(c) ==
  /\ c.op \in Operations \cup {"refund"}
  /\ net' = net \ {c}
  /\ \/ /\ Known(c)
        /\ work' = Reaches(c, Again(c))
        /\ late' = IF "amend" \in May /\ Memory(bank[c.o], c).amt # c.amt THEN late \cup {"one key, two bodies"} ELSE late
        /\ UNCHANGED <<bank, losses>>
     \/ /\ ~Known(c)
        /\ \E ans \in Answers(c) :
             /\ bank' = [bank EXCEPT ![c.o] = Remembering(Performed(@, c, ans), c, ans)]
             /\ work' = Reaches(c, ans)
             /\ late' = late \cup CaptureAt(c.o, ans)
        /\ UNCHANGED losses
     \/ /\ ~Known(c) /\ "memory" \in May /\ losses > 0
        /\ \/ \E ans \in Answers(c) :
                /\ bank' = [bank EXCEPT ![c.o] = Remembering(Performed(@, c, ans), c, "Error")]
                /\ late' = late \cup CaptureAt(c.o, ans)
           \/ /\ bank' = [bank EXCEPT ![c.o] = Remembering([@ EXCEPT !.pend = @ \cup MayComeLater(c)], c, "Error")]
              /\ UNCHANGED late
        /\ work' = Reaches(c, "Unknown")
        /\ losses' = losses - 1
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, parcel, tx, crashes, said, handled, wire>>

(* provider: what it answered with an error it does after all, as far as   *)
(* the order's money is still there for it                                 *)
DoneLater(o) ==
  \E c \in bank[o].pend :
    LET ans == CASE c.op = "authorise" -> "Authorized"
                 [] c.op = "capture"   -> "Captured"
                 [] c.op = "void"      -> "Voided"
                 [] c.op = "refund"    -> "Refunded"
    IN /\ c.op = "refund" => GivesBack(c)
       /\ bank' = [bank EXCEPT ![o] = [Performed(@, c, ans) EXCEPT !.pend = @ \ {c}]]
       /\ late' = late \cup (IF Held(o) THEN CaptureAt(o, ans) ELSE {})
       /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, work, net, parcel, tx, faults, said, handled, wire>>

(* the buyer does what the bank asked for, and the bank decides. A buyer who *)
(* was told what to do may fail, and then pay with another card.           *)
BuyerActs(o) ==
  /\ bank[o].hold \in {"waiting", "failed"}
  /\ \/ bank' = [bank EXCEPT ![o] = [@ EXCEPT !.auths = @ + 1, !.hold = "held", !.acted = ord[o].st = "OnHold" \/ clock < ord[o].due,
                                              !.exp = IF AuthLife > 0 THEN clock + AuthLife ELSE 0]]
     \/ bank' = [bank EXCEPT ![o].hold = IF pay[o].st = "ActionRequired" \/ @ = "failed" THEN "failed" ELSE "declined"]
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, work, net, parcel, tx, faults, ghosts, handled, wire>>

(* provider: a hold is let go before its time *)
LetGo(o) ==
  /\ "lapse" \in May /\ losses > 0 /\ Held(o)
  /\ bank' = [bank EXCEPT ![o].hold = "lapsed"]
  /\ losses' = losses - 1
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, work, net, parcel, tx, crashes, ghosts, handled, wire>>

(* the answer is lost, or the call's time-out passes: Unknown. The call    *)
(* itself may still be on its way.                                         *)
LoseAnswer(p) ==
  /\ losses > 0
  /\ work[p].stage \in {"find", "send", "wait", "answer"} /\ work[p].ans # "Unknown"
  /\ work' = [work EXCEPT ![p] = [@ EXCEPT !.stage = "answer", !.ans = "Unknown", !.nothing = "send"]]
  /\ net' = {IF c.from = p THEN [c EXCEPT !.from = "nobody"] ELSE c : c \in net}
  /\ losses' = losses - 1
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, bank, parcel, tx, crashes, ghosts, handled, wire>>

(* the same, where no answer can come any more: the call was not begun in  *)
(* time, or never reached the provider                                     *)
GiveUp(p) ==
  /\ clock >= work[p].till
  /\ \/ work[p].stage \in {"find", "send"} /\ "sent in time" \in Assume
     \/ work[p].stage = "wait" /\ \A c \in net : c.from # p
  /\ work' = [work EXCEPT ![p] = [@ EXCEPT !.stage = "answer", !.ans = "Unknown", !.nothing = "send"]]
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, provider, tx, faults, ghosts, handled, wire>>

(* domain: the payment after an outcome. One that is not known may be asked *)
(* for again after a back-off, which is shorter than a unit of time. What  *)
(* waits for the buyer is asked for once a minute, and keeps its operation.*)
(* Where the buyer has failed, a void is open after the end: it changes     *)
(* nothing but itself.                                                     *)
LeftBehind(p) == [p EXCEPT !.st = "Declined", !.op = "void", !.until = clock, !.key = 1, !.err = 0,
                           !.first = IF KeyTrust > 0 THEN clock ELSE 0]

PaymentAfter(p, ans) ==
  CASE p.st = "Declined" /\ ans = "Voided" -> [p EXCEPT !.op = "none", !.until = 0]
    [] p.st = "Declined" -> [p EXCEPT !.until = clock, !.err = IF ans = "Remembered" /\ @ = 0 THEN At(clock + 1) ELSE @]
    [] p.st = "ActionRequired" /\ ans = "Declined" /\ Guard("cancel after a decline") -> LeftBehind(p)
    [] ans = "ActionRequired" -> [p EXCEPT !.st = "ActionRequired", !.until = At(clock + 1)]
    [] p.st = "ActionRequired" /\ p.op = "authorise" /\ ans \in {"Unknown", "Remembered"} -> [p EXCEPT !.until = clock]
    [] ans = "Remembered" -> [p EXCEPT !.st = "Unknown", !.err = IF @ = 0 THEN At(clock + 1) ELSE @,
                                       !.until = IF p.op = "authorise" THEN At(clock + 1) ELSE clock]
    [] ans = "Authorized" -> [p EXCEPT !.st = "Authorized", !.op = "none", !.until = 0]
    [] ans = "Declined"   -> [p EXCEPT !.st = "Declined",   !.op = "none", !.until = 0]
    [] ans = "Captured"   -> [p EXCEPT !.st = "Captured",   !.op = "none", !.until = 0]
    [] ans = "Refused"    -> [p EXCEPT !.st = "Failed",     !.op = "none", !.until = 0]
    [] ans = "Voided"     -> [p EXCEPT !.st = "Voided",     !.op = "none", !.until = 0]
    [] ans = "person"     -> [p EXCEPT !.st = "Unknown",    !.until = clock, !.person = TRUE]
    [] OTHER              -> [p EXCEPT !.st = "Unknown",    !.until = clock]

(* domain: the order's status after an outcome *)
StatusAfter(s, ans) ==
  CASE ans = "Declined" -> IF s = "CancelRequested" THEN "Cancelled" ELSE IF s \in Final THEN s ELSE "PaymentFailed"
    [] ans = "Refused"  -> "PaymentFailed"
    [] ans = "Voided"   -> IF s = "Confirmed" THEN "PaymentFailed" ELSE IF s \in Final THEN s ELSE "Cancelled"
    [] OTHER            -> s

(* settlement: the provider was asked and still waits for the buyer. At    *)
(* due that ends the order, if it was asked at or after due; where the     *)
(* order is confirmed already (the answer was not known at due), the       *)
(* second answer does.                                                     *)
Asked(s, p, begun) ==
  CASE s.st = "Pending" /\ clock >= s.due /\ (Guard("ask at due") => begun >= s.due) -> "CancelRequested"
    [] s.st = "Confirmed" /\ p.st = "ActionRequired" /\ ~Guard("void before failed")  -> "PaymentFailed"
    [] OTHER -> s.st

(* is the operation of this call still open *)
Open(p, op) ==
  IF Guard("intent") THEN p.op = op
  ELSE p.st = IF op = "authorise" THEN "Requested" ELSE "Authorized"

(* settlement: store the outcome, under the order's lock, only while its   *)
(* operation is open, and start what the order now asks for. That nothing  *)
(* is known counts only of the last attempt.                               *)
StoreOutcome(p) ==
  LET o   == work[p].o
      op  == work[p].op
      ans == work[p].ans
      waits == ans = "ActionRequired"
      q   == PaymentAfter(pay[o], ans)
      st  == IF waits THEN Asked(ord[o], pay[o], work[p].begun) ELSE StatusAfter(ord[o].st, ans)
      s   == Ended([ord[o] EXCEPT !.st = st])
      stops == waits /\ ord[o].st = "Confirmed" /\ pay[o].st = "ActionRequired"
      w   == IF stops THEN "void" ELSE IF Guard("start next") THEN Wants(s.st, q) ELSE "nothing"
      known == ans \notin {"Unknown", "Remembered", "person", "ActionRequired"}
      counts == Open(pay[o], op) /\ (known \/ work[p].last \/ (waits /\ ~Guard("latest question")))
  IN /\ p \in Settlers
     /\ work[p].stage = "answer" /\ op \in Operations
     /\ UNCHANGED <<clock, shp, keys, refunds, relay, provider, tx, faults, said, handled>>
     /\ IF Guard("open outcome") /\ ~counts
        THEN /\ work' = [work EXCEPT ![p] = Idle]
             /\ UNCHANGED <<ord, pay, late, wire>>
        ELSE IF ~Guard("intent") /\ ~known
        THEN /\ work' = [work EXCEPT ![p] = Idle]
             /\ UNCHANGED <<ord, pay, late, wire>>
        ELSE /\ ord' = [ord EXCEPT ![o] = s]
             /\ Raise(IF ans = "Captured" THEN {Msg("PaymentCaptured", o, 1, 0)}
                      ELSE IF waits /\ st = "CancelRequested" /\ ord[o].st # st THEN {Msg("OrderCancelRequested", o, 1, 0)}
                      ELSE {}, {})
             /\ late' = IF waits /\ (stops \/ st # ord[o].st) /\ bank[o].acted THEN late \cup {"ended though the buyer had acted"} ELSE late
             /\ IF (known \/ waits) /\ w \in Operations
                THEN /\ pay' = [pay EXCEPT ![o] = WithIntent(q, s, w)]
                     /\ work' = [work EXCEPT ![p] = PaymentCall("send", o, pay'[o], s, w)]
                ELSE /\ pay' = [pay EXCEPT ![o] = q]
                     /\ work' = [work EXCEPT ![p] = Idle]

-------------------------------------------------------------------------------
(* Refunds: an id, an intent and a key each, and the same steps            *)

(* the refunds of an order that have not failed *)
NotFailed(rows) == Sum([n \in DOMAIN rows |-> IF rows[n].st \in {"none", "Failed"} THEN 0 ELSE rows[n].amt])

NextRefund(o) == {n \in RefundNos : refunds[o][n].st = "none" /\ \A m \in RefundNos : m < n => refunds[o][m].st # "none"}

StoreRefund(o, amt) ==
  /\ \E n \in NextRefund(o) : refunds' = [refunds EXCEPT ![o][n] = [NoRefund EXCEPT !.st = "Requested", !.amt = amt]]
  /\ UNCHANGED <<clock, ord, pay, shp, keys, relay, work, provider, faults, ghosts, handled, wire>>

(* orders.refund: lock the order, add up its refunds, decide, save *)
Refund(o) ==
  /\ "refund" \in May /\ Guard("refund lock")
  /\ ord[o].st = "Shipped"
  /\ \E amt \in 1..Full : NotFailed(refunds[o]) + amt <= ord[o].amt /\ StoreRefund(o, amt)
  /\ UNCHANGED tx

(* the same without the lock: read ... *)
RefundRead(o) ==
  /\ "refund" \in May /\ ~Guard("refund lock")
  /\ ord[o].st = "Shipped" /\ Cardinality(tx) < 2
  /\ \E amt \in 1..Full : NotFailed(refunds[o]) + amt <= ord[o].amt
       /\ tx' = tx \cup {[kind |-> "refund", o |-> o, at |-> clock, amt |-> amt]}
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, work, provider, faults, ghosts, handled, wire>>

(* ... and write *)
RefundWrite ==
  \E t \in tx :
    /\ t.kind = "refund"
    /\ StoreRefund(t.o, t.amt)
    /\ tx' = tx \ {t}

(* settlement: take up a refund; from the second attempt on it is asked for first *)
TakeUpRefund(o, n, p) ==
  LET r == refunds[o][n]
      second == r.err > 0 /\ ~Guard("no second key for refund")
      key == IF second THEN r.key + 1 ELSE r.key
  IN /\ r.st \in {"Requested", "Unknown"} /\ clock >= r.until
     /\ work[p] = Idle
     /\ refunds' = [refunds EXCEPT ![o][n] = [r EXCEPT !.until = At(clock + CallTimeout), !.tried = TRUE, !.key = key,
                                                       !.err = IF second THEN 0 ELSE @]]
     /\ work' = TakenUp(p, [Call(IF r.tried /\ Guard("find before repeat") THEN "find" ELSE "send", o, "refund")
                            EXCEPT !.n = n, !.amt = r.amt, !.key = key,
                                   !.nothing = IF ~second /\ r.err > 0 /\ clock >= r.err THEN "NotRefunded" ELSE "send"])
     /\ UNCHANGED <<clock, ord, pay, shp, keys, relay, provider, tx, faults, ghosts, handled, wire>>

(* settlement: store a refund's outcome, only while it is open *)
RefundOutcome(p) ==
  LET o   == work[p].o
      n   == work[p].n
      ans == work[p].ans
      r   == refunds[o][n]
      known == ans \in {"Refunded", "NotRefunded"}
  IN /\ p \in Settlers
     /\ work[p].stage = "answer" /\ work[p].op = "refund"
     /\ work' = [work EXCEPT ![p] = Idle]
     /\ refunds' = IF r.st \in {"Requested", "Unknown"} /\ (known \/ work[p].last)
                   THEN [refunds EXCEPT ![o][n] =
                          CASE ans = "Refunded"    -> [r EXCEPT !.st = "Succeeded", !.until = 0, !.err = 0]
                            [] ans = "NotRefunded" -> [r EXCEPT !.st = "Failed", !.until = 0, !.err = 0]
                            [] ans = "Remembered"  -> [r EXCEPT !.st = "Unknown", !.until = At(clock + 1),
                                                                !.err = IF @ = 0 THEN At(clock + 1) ELSE @]
                            [] OTHER               -> [r EXCEPT !.st = "Unknown", !.until = clock]]
                   ELSE refunds
     /\ UNCHANGED <<clock, ord, pay, shp, keys, relay, provider, tx, faults, ghosts, handled, wire>>

(* provider: takes a refund back, the money returns *)
TakeBack(o) ==
  /\ "take back" \in May /\ losses > 0
  /\ \E n \in RefundNos : /\ bank[o].refs[n].moves > 0 /\ ~bank[o].refs[n].back
                           /\ bank' = [bank EXCEPT ![o].refs[n].back = TRUE]
  /\ losses' = losses - 1
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, work, net, parcel, tx, crashes, ghosts, handled, wire>>

(* settlement hears of it: Succeeded -> Failed. And reconciliation finds    *)
(* that one which counted as failed was done after all: Failed ->          *)
(* Succeeded, under the row lock, once the others leave room for it.       *)
HearOfRefund(o) ==
  /\ \E n \in RefundNos :
       LET r == refunds[o][n]
           moved == bank[o].refs[n].moves > 0 /\ ~bank[o].refs[n].back
       IN \/ /\ r.st = "Succeeded" /\ ~moved
             /\ refunds' = [refunds EXCEPT ![o][n].st = "Failed"]
          \/ /\ r.st = "Failed" /\ moved /\ "reconcile" \in May /\ Guard("reconcile")
             /\ NotFailed(refunds[o]) + r.amt <= ord[o].amt
             /\ refunds' = [refunds EXCEPT ![o][n].st = "Succeeded"]
  /\ UNCHANGED <<clock, ord, pay, shp, keys, relay, work, provider, tx, faults, ghosts, handled, wire>>

-------------------------------------------------------------------------------
(* Reconciliation walks the provider's list. What belongs to an order that *)
(* has ended otherwise is voided or refunded. An ended order stays ended,  *)
(* so it does not matter how old the list is; the provider itself sees to  *)
(* it that what is captured or voided is not voided again.                 *)

Reconcile(o) ==
  /\ "reconcile" \in May /\ Guard("reconcile")
  /\ ord[o].st \in {"Cancelled", "PaymentFailed"}
  /\ \/ /\ Releasable(o)
        /\ bank' = [bank EXCEPT ![o].hold = "voided", ![o].voids = @ + 1]
     \/ /\ bank[o].captures > 0 /\ ~bank[o].back
        /\ bank' = [bank EXCEPT ![o].back = TRUE]
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, work, net, parcel, tx, faults, ghosts, handled, wire>>

-------------------------------------------------------------------------------
(* Shipping: the same three steps, with the parcel service                 *)

CanShip(o) ==
  /\ ord[o].st = "Confirmed"
  /\ Guard("ship check") => pay[o].st = "Captured"
  /\ \/ shp[o].st = "none"
     \/ shp[o].st = "open" /\ (Guard("attemptUntil") => clock >= shp[o].until)

(* shipping: store the intent of the hand-over, or take it up again *)
ShipIntent(o, p, taken) ==
  /\ CanShip(o)
  /\ work[p] = Idle
  /\ shp' = [shp EXCEPT ![o] = [st |-> "open", until |-> At(clock + CallTimeout)]]
  /\ work' = TakenUp(p, Call("send", o, "ship"))
  /\ Raise({}, taken)
  /\ UNCHANGED <<clock, ord, pay, keys, refunds, relay, provider, tx, faults, ghosts>>

(* parcel service: the hand-over, idempotent by key *)
ParcelTaken(c) ==
  LET known == Guard("parcel key") /\ parcel[c.o].known
  IN /\ c.op = "ship"
     /\ parcel' = IF known THEN parcel
                  ELSE [parcel EXCEPT ![c.o] = [n |-> @.n + 1, known |-> TRUE]]
     /\ work' = Reaches(c, "Taken")
     /\ net' = net \ {c}
     /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, bank, tx, faults, ghosts, handled, wire>>

(* the parcel service forgets a key (only where that is not excluded) *)
ParcelForgets(o) ==
  /\ "parcel keys last" \notin Assume
  /\ parcel[o].known
  /\ parcel' = [parcel EXCEPT ![o].known = FALSE]
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, work, net, bank, tx, faults, ghosts, handled, wire>>

(* shipping: store the outcome; Confirmed -> Shipped *)
ShipOutcome(p) ==
  LET o == work[p].o
      applies == work[p].ans = "Taken" /\ shp[o].st = "open"
      unknown == work[p].ans = "Unknown" /\ shp[o].st = "open" /\ work[p].last
  IN /\ p \in Shippers
     /\ work[p].stage = "answer"
     /\ work' = [work EXCEPT ![p] = Idle]
     /\ ord' = IF applies THEN [ord EXCEPT ![o] = Ended([@ EXCEPT !.st = "Shipped"])] ELSE ord
     /\ shp' = IF applies THEN [shp EXCEPT ![o] = [st |-> "done", until |-> 0]]
               ELSE IF unknown THEN [shp EXCEPT ![o].until = clock] ELSE shp
     /\ UNCHANGED <<clock, pay, keys, refunds, relay, provider, tx, faults, ghosts, handled, wire>>

-------------------------------------------------------------------------------
(* The carrier delivers to a consumer group                                *)

(* does the handler of m have anything to do, in the state it finds *)
HasEffect(m) ==
  CASE m.type = "OrderDue"    -> (CanConfirm(m.o) /\ m.moment = ord[m.o].due) \/ IsEarly(m)
    [] m.type = "HoldExpired" -> (CanExpire(m.o) /\ m.moment = ord[m.o].limit) \/ IsEarly(m)
    [] m.type \in {"OrderPending", "OrderConfirmed", "OrderCancelRequested"} -> CanSettle(m.o)
    [] m.type \in {"PaymentCaptured", "ShipWaits"} -> CanShip(m.o)

(* A handler is one transaction: inbox row, state, next messages; it is     *)
(* acknowledged after the commit. A crash before the commit leaves nothing, *)
(* one before the acknowledgement brings the message again. A delivery that *)
(* would change nothing is left out: it is as if it had not come.           *)

(* inbox: message m was delivered and not handled before; its row is stored *)
(* with what the handler does                                               *)
Handle(m, types) ==
  /\ m.type \in types
  /\ Guard("inbox") => m \notin inbox
  /\ HasEffect(m)
  /\ Record(m)

(* what the carrier takes off its list: where it keeps no account, nothing; *)
(* where it does, the message, or (delivered twice) not yet                 *)
Takes(m) == IF "forget" \notin May THEN {{}} ELSE IF "double" \in May THEN {{m}, {}} ELSE {{m}}

(* deadlines, OrderDue: due? Pending -> Confirmed *)
HandleOrderDue ==
  \E m \in carrier :
    /\ Handle(m, {"OrderDue"})
    /\ Guard("row lock") /\ CanConfirm(m.o) /\ m.moment = ord[m.o].due
    /\ \E taken \in Takes(m) : Confirm(m.o, taken)
    /\ UNCHANGED tx

(* deadlines, HoldExpired: OnHold -> CancelRequested *)
HandleHoldExpired ==
  \E m \in carrier :
    /\ Handle(m, {"HoldExpired"})
    /\ CanExpire(m.o) /\ m.moment = ord[m.o].limit
    /\ \E taken \in Takes(m) : ExpireHold(m.o, taken)

(* deadlines: a wake-up that came early is armed again *)
HandleEarly ==
  \E m \in carrier :
    /\ Handle(m, {"OrderDue", "HoldExpired"})
    /\ IsEarly(m)
    /\ \E taken \in Takes(m) : Rearm(m, taken)

ForSettlement == {"OrderPending", "OrderConfirmed", "OrderCancelRequested"}

(* settlement, any of its messages: the state decides what is done *)
HandleIntent ==
  \E m \in carrier, p \in Settlers :
    Handle(m, ForSettlement) /\ \E taken \in Takes(m) : StoreIntent(m.o, p, taken)
HandleRelease ==
  \E m \in carrier :
    Handle(m, ForSettlement) /\ \E taken \in Takes(m) : ReleaseUnasked(m.o, taken)
HandleRepeat ==
  \E m \in carrier, p \in Settlers :
    Handle(m, ForSettlement) /\ \E taken \in Takes(m) : Repeat(m.o, p, taken)

(* shipping: PaymentCaptured, or the sweeper's internal message *)
HandleShip ==
  \E m \in carrier, p \in Shippers :
    Handle(m, {"PaymentCaptured", "ShipWaits"}) /\ \E taken \in Takes(m) : ShipIntent(m.o, p, taken)

(* a message that has nothing to do is acknowledged and gone (told apart   *)
(* only where the carrier keeps account of what it holds)                  *)
Acknowledge ==
  /\ "forget" \in May
  /\ \E m \in carrier :
       /\ m \in inbox \/ (~HasEffect(m) /\ clock >= m.moment)
       /\ carrier' = carrier \ {m}
       /\ inbox' = inbox \cup {m}
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, outbox, relay, work, provider, tx, faults, ghosts, done, again>>

-------------------------------------------------------------------------------
(* Sweeper: whatever nobody woke, in every unfinished state. In the model  *)
(* it may look at any moment from due (attemptUntil, the limit) on.        *)

(* the number of the next internal message to shipping *)
NextWait(o) == 1 + Cardinality({m \in carrier \cup inbox \cup {row.m : row \in outbox} \cup {relay[r].m : r \in Relays} :
                                m.type = "ShipWaits" /\ m.o = o})

SweepConfirm(o) == Guard("sweeper") /\ Guard("row lock") /\ CanConfirm(o) /\ clock >= ord[o].due
                   /\ Confirm(o, {}) /\ UNCHANGED <<handled, tx>>
SweepHold(o)    == Guard("sweeper") /\ CanExpire(o) /\ ExpireHold(o, {}) /\ UNCHANGED handled
SweepIntent(o)  == Guard("sweeper") /\ \E p \in Settlers : StoreIntent(o, p, {}) /\ UNCHANGED handled
SweepRelease(o) == Guard("sweeper") /\ ReleaseUnasked(o, {}) /\ UNCHANGED handled
(* (in its transaction, what the clock asks for comes first)               *)
SweepRepeat(o)  == Guard("sweeper") /\ ~(pay[o].st = "ActionRequired" /\ CanExpire(o)) /\ \E p \in Settlers : Repeat(o, p, {}) /\ UNCHANGED handled

(* shipping is another service: it gets an internal message with an id of  *)
(* its own. The back-off is long enough for the last one to be handled.    *)
SweepShip(o) ==
  /\ Guard("sweeper") /\ CanShip(o)
  /\ "messages" \in May
  /\ \A m \in carrier \cup {row.m : row \in {x \in outbox : x.st # "sent"}} :
       (m.type = "ShipWaits" /\ m.o = o) => m \in inbox
  /\ Raise({Msg("ShipWaits", o, NextWait(o), 0)}, {})
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, work, provider, tx, faults, ghosts, handled>>

(* the same where no messages take part: that message is handled at once   *)
SweepShipAtOnce(o) ==
  Guard("sweeper") /\ "messages" \notin May /\ \E p \in Shippers : ShipIntent(o, p, {}) /\ UNCHANGED handled

-------------------------------------------------------------------------------
(* Crashes, time, purge                                                    *)

(* a process of settlement or shipping dies: what it had in hand is gone,  *)
(* its call may still arrive                                               *)
Crash(p) ==
  /\ crashes > 0 /\ work[p] # Idle /\ "only relays die" \notin May
  /\ work' = [work EXCEPT ![p] = Idle]
  /\ net' = {IF c.from = p THEN [c EXCEPT !.from = "nobody"] ELSE c : c \in net}
  /\ crashes' = crashes - 1
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, bank, parcel, tx, losses, ghosts, handled, wire>>

(* a process dies between read and write: nothing was written *)
TxCrash ==
  /\ \E t \in tx : tx' = tx \ {t}
  /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, relay, work, provider, faults, ghosts, handled, wire>>

(* the database's clock *)
Tick ==
  /\ clock < MaxTime
  /\ "prompt" \in Assume => \A p \in Slots : work[p] = Idle \/ clock + 1 < work[p].till
  /\ clock' = clock + 1
  /\ net' = {c \in net : c.by = 0 \/ clock + 1 <= c.by}
  /\ UNCHANGED <<ord, pay, shp, keys, refunds, relay, work, bank, parcel, tx, faults, ghosts, handled, wire>>

Purgeable(o) ==
  IF Guard("purge after end") THEN ord[o].st \in Final /\ clock >= ord[o].ended + Retention
  ELSE ord[o].st # "none" /\ clock >= ord[o].made + Retention

(* purge: inbox rows RETENTION after their order's end, idempotency keys   *)
(* RETENTION after they were stored, outbox rows that were sent            *)
Purge ==
  /\ Retention > 0
  /\ \/ /\ inbox' = {m \in inbox : ~Purgeable(m.o)} /\ inbox' # inbox
        /\ UNCHANGED <<keys, outbox>>
     \/ /\ keys' = {k \in keys : clock < k.at + Retention} /\ keys' # keys
        /\ UNCHANGED <<inbox, outbox>>
     \/ /\ outbox' = {row \in outbox : row.st # "sent"} /\ outbox' # outbox
        /\ UNCHANGED <<inbox, keys>>
  /\ UNCHANGED <<clock, ord, pay, shp, refunds, relay, carrier, work, provider, tx, faults, ghosts, done, again>>

-------------------------------------------------------------------------------
CallArrives   == \E c \in net : ProviderPerforms(c)
ParcelArrives == \E c \in net : ParcelTaken(c)

Buyer ==
  \/ \E k \in Keys : Create(k)
  \/ \E o \in Orders : Cancel(o) \/ CancelRead(o) \/ Hold(o) \/ Resume(o) \/ Amend(o) \/ AmendRead(o)
  \/ CancelWrite \/ AmendWrite
  \/ \E o \in Orders : BuyerActs(o)

Admin ==
  \/ \E o \in Orders : Refund(o) \/ RefundRead(o)
  \/ RefundWrite

Fault ==
  \/ \E r \in Relays : RelayCrash(r)
  \/ CarrierForgets
  \/ \E p \in Slots : Crash(p) \/ LoseAnswer(p)
  \/ \E o \in Orders : ParcelForgets(o) \/ DoneLater(o) \/ LetGo(o) \/ TakeBack(o)
  \/ TxCrash

System ==
  \/ \E r \in Relays : RelayClaim(r) \/ RelayPublish(r) \/ RelayMark(r)
  \/ HandleOrderDue \/ HandleHoldExpired \/ HandleEarly
  \/ HandleIntent \/ HandleRelease \/ HandleRepeat \/ HandleShip
  \/ Acknowledge
  \/ \E o \in Orders : SweepConfirm(o) \/ SweepHold(o) \/ SweepIntent(o) \/ SweepRelease(o)
                        \/ SweepRepeat(o) \/ SweepShip(o) \/ SweepShipAtOnce(o)
  \/ \E o \in Orders : ConfirmRead(o)
  \/ ConfirmWrite
  \/ \E p \in Slots : Send(p) \/ Find(p) \/ GiveUp(p) \/ StoreOutcome(p) \/ ShipOutcome(p)
  \/ \E o \in Orders, n \in RefundNos, p \in Settlers : TakeUpRefund(o, n, p)
  \/ \E p \in Settlers : RefundOutcome(p)
  \/ \E o \in Orders : HearOfRefund(o) \/ Reconcile(o)
  \/ \E o \in Orders, p \in Settlers : Decide(o, p)
  \/ CallArrives \/ ParcelArrives
  \/ Purge
  \/ Tick

Next == Buyer \/ Admin \/ Fault \/ System

Spec == Init /\ [][Next]_vars

(* Fairness, as little as will do: as long as the parts can do something,  *)
(* something is done. The buyer and the faults are owed nothing.           *)
LiveSpec == Spec /\ WF_vars(System)

-------------------------------------------------------------------------------
(* Properties *)

TypeOK ==
  /\ clock \in 0..MaxTime
  /\ \A o \in Orders :
       /\ ord[o].st \in Statuses
       /\ pay[o].st \in {"Requested", "Authorized", "Declined", "Voided", "Captured", "Failed", "Unknown",
                         "ActionRequired"}
       /\ pay[o].op \in Operations \cup {"none"}
  /\ \A p \in Slots : work[p].stage \in {"idle", "find", "send", "wait", "answer"}

(* I1 Money moves once. *)
I1 == \A o \in Orders : bank[o].auths <= 1 /\ bank[o].captures + bank[o].voids <= 1

(* I2 The window is exact. *)
I2 == late \cap {"capture before due", "cancel after due", "pause after due", "amend after due"} = {}

(* I3 Yes means yes. *)
I3 == \A o \in said : bank[o].captures = 0 /\ parcel[o].n = 0

(* I4 Nothing is lost. `person` is the one exception: see README *)
Over(o) == ord[o].st \in Final
I4 == \A o \in Orders : ord[o].st # "none" ~> Over(o)
I4OrPerson == \A o \in Orders : ord[o].st # "none" ~> (Over(o) \/ pay[o].person)

(* I5 Once per consumer. *)
I5 == ~again

(* I6 Capture before shipping. *)
I6 == \A o \in Orders : (parcel[o].n > 0 \/ ord[o].st = "Shipped") => bank[o].captures = 1

(* I7 One key, one order. *)
I7 == \A a, b \in Orders :
        (a < b /\ ord[a].st # "none" /\ ord[b].st # "none" /\ ord[a].key = ord[b].key)
          => (Retention > 0 /\ ord[b].made >= ord[a].made + Retention)

(* I8 Ships once. *)
I8 == \A o \in Orders : parcel[o].n <= 1

(* I9 Never more back than was taken, never more taken than was last       *)
(* agreed. `rows` are our refunds, `refs` what the provider has moved.     *)
I9 ==
  \A o \in Orders :
    /\ NotFailed(refunds[o]) <= bank[o].taken
    /\ Moved(o) <= bank[o].taken
    /\ \A n \in RefundNos : bank[o].refs[n].moves <= 1 /\ (refunds[o][n].st = "Succeeded" => bank[o].refs[n].moves = 1)
    /\ bank[o].captures > 0 => bank[o].taken = ord[o].amt
    /\ bank[o].taken <= bank[o].amt

(* a key is never used with two bodies: a provider refuses that, and the   *)
(* operation would hang                                                    *)
OneBody == "one key, two bodies" \notin late

(* A buyer who acted before due has acted *)
ActedInTime == "ended though the buyer had acted" \notin late

(* A pause never makes an order due when its money is no longer held       *)
PauseFits == "due after the hold has ended" \notin late

RefundsMoveOnce == \A o \in Orders : \A n \in RefundNos : bank[o].refs[n].moves <= 1

(* every refund comes to its end, and then our book agrees with the provider's *)
RefundsEnd ==
  \A o \in Orders : \A n \in RefundNos :
    refunds[o][n].st = "Requested" ~> LET moved == bank[o].refs[n].moves = 1 /\ ~bank[o].refs[n].back
                                      IN refunds[o][n].st = IF moved THEN "Succeeded" ELSE "Failed"

(* An ended order leaves nothing at the provider that could still take or  *)
(* hold money: where reconciliation sees to that, in the end               *)
AtRest(o) == ~Releasable(o) /\ (bank[o].captures = 0 \/ bank[o].back)
EndLeavesNothing == \A o \in Orders : ord[o].st \in {"Cancelled", "PaymentFailed"} ~> AtRest(o)

(* The guard of -> Cancelled, and what PaymentFailed promises: no money of *)
(* the buyer stays held when the order has ended, and nothing waits. Where  *)
(* the buyer has failed, a void is under way until that is so.             *)
EndHoldsNothing ==
  \A o \in Orders : ord[o].st \in {"Cancelled", "PaymentFailed"}
                      => ~Releasable(o) \/ (pay[o].st = "Declined" /\ pay[o].op = "void")

(* ... and none was taken *)
EndTookNothing == \A o \in Orders : ord[o].st \in {"Cancelled", "PaymentFailed"} => bank[o].captures = 0

(* One call at a time: nobody repeats a call before its attemptUntil *)
UnderWay(p) == work[p].stage \in {"find", "send", "wait"} /\ clock < work[p].till
OneCall ==
  \A p, q \in Slots :
    (p # q /\ UnderWay(p) /\ UnderWay(q)) => (work[p].o # work[q].o \/ work[p].op # work[q].op \/ work[p].n # work[q].n)

(* The same for calls of different operations. This does NOT hold, see     *)
(* README: a late answer to the first authorise starts the void while the  *)
(* second authorise is still on its way. The provider's key covers it.     *)
OneCallOfAnyKind ==
  \A p, q \in Settlers : (p # q /\ UnderWay(p) /\ UnderWay(q)) => work[p].o # work[q].o

(* order and payment tell the same story *)
StatesAgree ==
  \A o \in Orders :
    /\ ord[o].st = "Shipped" => pay[o].st = "Captured"
    /\ ord[o].st = "Cancelled" => pay[o].st \in {"Voided", "Declined"}
    /\ ord[o].st = "PaymentFailed" => pay[o].st \in {"Declined", "Failed"} \cup (IF "authenticate" \in May THEN {"Voided"} ELSE {})
    /\ pay[o].st = "Captured" => bank[o].captures > 0

Symmetry == Permutations(Settlers) \cup Permutations(Relays)
===============================================================================
