--------------------------- MODULE ProtectedPayment ---------------------------
(***************************************************************************)
(* The protocol of Protected Payment: buyer, orders, outbox, relays,       *)
(* carrier, inbox, settlement, provider, shipping, sweeper, purge, and a   *)
(* crash of any of them at any step.                                       *)
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
    "sweeper" }

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
    "only relays die" } \* no crash but the relays'

AssumeNames ==
  { "sent in time",     \* no process begins a call after that call's attemptUntil
    "capture is told",  \* the provider's port tells "already captured" from "refused"
    "parcel keys last", \* the parcel service never forgets a key
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

vars == <<clock, ord, pay, shp, keys, outbox, relay, carrier, inbox, work, net, bank,
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

(* the moment t as it is stored *)
At(t) == IF "time suffices" \in Assume THEN Min(t, MaxTime) ELSE t

NoOrder   == [st |-> "none", due |-> 0, rest |-> 0, limit |-> 0, holds |-> 0, wakes |-> 0,
              key |-> "none", made |-> 0, ended |-> 0]
NoPayment == [st |-> "Requested", op |-> "none", until |-> 0, first |-> 0, person |-> FALSE]
NoShip    == [st |-> "none", until |-> 0]
NoHold    == [hold |-> "none", exp |-> 0, auths |-> 0, captures |-> 0, voids |-> 0,
              mem |-> [x \in Operations |-> [ans |-> "none", at |-> 0]]]
NoParcel  == [n |-> 0, known |-> FALSE]
Idle      == [stage |-> "idle", o |-> 0, op |-> "none", ans |-> "none", till |-> 0, last |-> FALSE]
NoMessage == [type |-> "none", o |-> 0, n |-> 0, moment |-> 0]
Free      == [stage |-> "idle", m |-> NoMessage]

Msg(type, o, n, moment) == [type |-> type, o |-> o, n |-> n, moment |-> moment]

Init ==
  /\ clock = 0
  /\ ord = [o \in Orders |-> NoOrder]
  /\ pay = [o \in Orders |-> NoPayment]
  /\ shp = [o \in Orders |-> NoShip]
  /\ keys = {}
  /\ outbox = {}
  /\ relay = [r \in Relays |-> Free]
  /\ carrier = {}
  /\ inbox = {}
  /\ work = [p \in Slots |-> Idle]
  /\ net = {}
  /\ bank = [o \in Orders |-> NoHold]
  /\ parcel = [o \in Orders |-> NoParcel]
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
  IF p.op # "none" /\ (Guard("void last") \/ s # "CancelRequested" \/ p.op # "authorise") THEN "nothing"
  ELSE IF p.op = "authorise" THEN "void"
  ELSE CASE p.st = "Requested"  /\ s \in {"Pending", "OnHold", "Confirmed"} -> "authorise"
         [] p.st = "Requested"  /\ s = "CancelRequested"                    -> "release"
         [] p.st = "Authorized" /\ s = "Confirmed"                          -> "capture"
         [] p.st = "Authorized" /\ s = "CancelRequested"                    -> "void"
         [] OTHER                                                           -> "nothing"

(* domain: the payment with the intent of operation op stored *)
WithIntent(p, op) ==
  IF ~Guard("intent") THEN p
  ELSE [p EXCEPT !.op = op, !.until = At(clock + CallTimeout),
                 !.first = IF KeyTrust > 0 THEN clock ELSE 0]

(* the call that a slot now has in hand; `last` as long as nobody repeats it *)
Call(stage, o, op) ==
  [stage |-> stage, o |-> o, op |-> op, ans |-> "none", till |-> At(clock + CallTimeout), last |-> TRUE]

(* slot p takes up a call; an earlier attempt at the same is the last no more *)
TakenUp(p, stage, o, op) ==
  [q \in Slots |-> IF q = p THEN Call(stage, o, op)
                   ELSE IF work[q].o = o /\ work[q].op = op THEN [work[q] EXCEPT !.last = FALSE]
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
    /\ UNCHANGED <<clock, pay, shp, relay, work, provider, tx, faults, ghosts, handled>>

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
  /\ UNCHANGED <<clock, pay, shp, keys, relay, work, provider, faults, handled>>

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
  /\ UNCHANGED <<clock, ord, pay, shp, keys, relay, work, provider, faults, ghosts, handled, wire>>

(* ... and write *)
CancelWrite ==
  \E t \in tx :
    /\ t.kind = "cancel"
    /\ Guard("row lock") => MayCancel(ord[t.o], t.at)
    /\ CancelNow(t.o)
    /\ tx' = tx \ {t}

(* orders.hold: Pending -> OnHold, with the wake-up HoldExpired *)
Hold(o) ==
  LET s == ord[o]
      limit == IF s.limit = 0 THEN At(clock + HoldLimit) ELSE s.limit
  IN /\ "hold" \in May
     /\ s.st = "Pending" /\ s.holds < MaxHolds /\ s.wakes < MaxWakes
     /\ Guard("window check") => clock < s.due
     /\ s.limit > 0 => clock < s.limit
     /\ ord' = [ord EXCEPT ![o] = [s EXCEPT !.st = "OnHold", !.rest = IF s.due > clock THEN s.due - clock ELSE 0,
                                            !.limit = limit, !.holds = @ + 1, !.wakes = @ + 1]]
     /\ late' = IF clock >= s.due THEN late \cup {"pause after due"} ELSE late
     /\ Raise({Msg("HoldExpired", o, s.wakes + 1, limit)}, {})
     /\ UNCHANGED <<clock, pay, shp, keys, relay, work, provider, tx, faults, said, handled>>

(* orders.resume: OnHold -> Pending; the new due is now + the rest of the  *)
(* window, at least one unit, with an OrderDue of its own                  *)
Resume(o) ==
  LET s == ord[o]
      due == At(clock + Max(s.rest, 1))
  IN /\ "hold" \in May
     /\ s.st = "OnHold" /\ clock < s.limit /\ s.wakes < MaxWakes
     /\ ord' = [ord EXCEPT ![o] = [s EXCEPT !.st = "Pending", !.due = due, !.rest = 0, !.wakes = @ + 1]]
     /\ Raise({Msg("OrderDue", o, s.wakes + 1, due)}, {})
     /\ UNCHANGED <<clock, pay, shp, keys, relay, work, provider, tx, faults, ghosts, handled>>

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
    /\ UNCHANGED <<clock, ord, pay, shp, keys, carrier, work, provider, tx, faults, ghosts, handled>>

(* relay: publish, and the carrier confirms *)
RelayPublish(r) ==
  /\ relay[r].stage = "claimed"
  /\ carrier' = carrier \cup {relay[r].m}
  /\ relay' = [relay EXCEPT ![r].stage = "published"]
  /\ UNCHANGED <<clock, ord, pay, shp, keys, outbox, work, provider, tx, faults, ghosts, handled>>

(* relay: mark the row as sent *)
RelayMark(r) ==
  /\ relay[r].stage = "published"
  /\ outbox' = {IF row.m = relay[r].m THEN [row EXCEPT !.st = "sent"] ELSE row : row \in outbox}
  /\ relay' = [relay EXCEPT ![r] = Free]
  /\ UNCHANGED <<clock, ord, pay, shp, keys, carrier, work, provider, tx, faults, ghosts, handled>>

(* a relay dies; its lease runs out *)
RelayCrash(r) ==
  /\ crashes > 0 /\ relay[r] # Free
  /\ relay' = [relay EXCEPT ![r] = Free]
  /\ crashes' = crashes - 1
  /\ UNCHANGED <<clock, ord, pay, shp, keys, outbox, carrier, work, provider, tx, losses, ghosts, handled>>

(* the carrier loses everything that it holds *)
CarrierForgets ==
  /\ "forget" \in May /\ "only relays die" \notin May
  /\ carrier # {} /\ crashes > 0
  /\ carrier' = {}
  /\ crashes' = crashes - 1
  /\ UNCHANGED <<clock, ord, pay, shp, keys, outbox, relay, work, provider, tx, losses, ghosts, handled>>

-------------------------------------------------------------------------------
(* Deadlines *)

(* settlement: confirm an order that is due *)
Confirm(o, taken) ==
  /\ ord' = [ord EXCEPT ![o].st = "Confirmed"]
  /\ Raise({Msg("OrderConfirmed", o, 1, 0)}, taken)
  /\ UNCHANGED <<clock, pay, shp, keys, relay, work, provider, faults, ghosts>>

CanConfirm(o) == ord[o].st = "Pending" /\ (Guard("due check") => clock >= ord[o].due)

(* settlement: the hold limit has passed *)
ExpireHold(o, taken) ==
  /\ ord' = [ord EXCEPT ![o].st = "CancelRequested"]
  /\ Raise({Msg("OrderCancelRequested", o, 1, 0)}, taken)
  /\ UNCHANGED <<clock, pay, shp, keys, relay, work, provider, tx, faults, ghosts>>

CanExpire(o) == ord[o].st = "OnHold" /\ clock >= ord[o].limit

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
  /\ UNCHANGED <<clock, pay, shp, keys, relay, work, provider, tx, faults, ghosts>>

(* without the row lock: the handler of OrderDue reads ... *)
ConfirmRead(o) ==
  /\ ~Guard("row lock")
  /\ CanConfirm(o)
  /\ \A t \in tx : ~(t.kind = "confirm" /\ t.o = o)
  /\ tx' = tx \cup {[kind |-> "confirm", o |-> o, at |-> clock]}
  /\ UNCHANGED <<clock, ord, pay, shp, keys, relay, work, provider, faults, ghosts, handled, wire>>

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
     /\ pay' = [pay EXCEPT ![o] = WithIntent(pay[o], w)]
     /\ work' = TakenUp(p, "send", o, w)
     /\ Raise({}, taken)
     /\ UNCHANGED <<clock, ord, shp, keys, relay, provider, tx, faults, ghosts>>

(* settlement: cancelled before any authorise intent was stored: Requested *)
(* -> Voided without a call                                                *)
ReleaseUnasked(o, taken) ==
  /\ Wants(ord[o].st, pay[o]) = "release"
  /\ pay' = [pay EXCEPT ![o].st = "Voided"]
  /\ ord' = [ord EXCEPT ![o] = Ended([ord[o] EXCEPT !.st = "Cancelled"])]
  /\ Raise({}, taken)
  /\ UNCHANGED <<clock, shp, keys, relay, work, provider, tx, faults, ghosts>>

(* settlement: take up an open operation after its attemptUntil, moving    *)
(* that on; an aged key is asked for by find first                         *)
Repeat(o, p, taken) ==
  /\ CanRepeat(o)
  /\ work[p] = Idle
  /\ pay' = [pay EXCEPT ![o].until = At(clock + CallTimeout)]
  /\ work' = TakenUp(p, IF Guard("key age") /\ Aged(pay[o]) THEN "find" ELSE "send", o, pay[o].op)
  /\ Raise({}, taken)
  /\ UNCHANGED <<clock, ord, shp, keys, relay, provider, tx, faults, ghosts>>

CanSettle(o) == Wants(ord[o].st, pay[o]) # "nothing" \/ CanRepeat(o)

(* settlement: the call leaves the process *)
Send(p) ==
  /\ work[p].stage = "send"
  /\ "sent in time" \in Assume => clock < work[p].till
  /\ net' = net \cup {[o |-> work[p].o, op |-> work[p].op, from |-> p,
                       by |-> IF CallLife > 0 THEN At(clock + CallLife) ELSE 0]}
  /\ work' = [work EXCEPT ![p].stage = "wait"]
  /\ UNCHANGED <<clock, ord, pay, shp, keys, relay, bank, parcel, tx, faults, ghosts, handled, wire>>

Held(o) == bank[o].hold = "held" /\ (AuthLife > 0 => clock < bank[o].exp)

(* provider: find tells what it has for this order *)
Find(p) ==
  LET o == work[p].o
      op == work[p].op
      b == bank[o]
      found == CASE op = "authorise" /\ b.auths > 0                  -> "Authorized"
                 [] op = "authorise" /\ b.hold = "declined"          -> "Declined"
                 [] op = "capture"   /\ b.captures > 0               -> "Captured"
                 [] op = "capture"   /\ b.mem[op].ans = "Refused"    -> "Refused"
                 [] op = "void"      /\ (b.voids > 0 \/ ~Held(o))    -> "Voided"
                 [] OTHER                                            -> "not found"
  IN /\ work[p].stage = "find"
     /\ "sent in time" \in Assume => clock < work[p].till
     /\ work' = [work EXCEPT ![p] =
          IF found # "not found" THEN [@ EXCEPT !.stage = "answer", !.ans = found]
          ELSE IF op = "authorise" THEN [@ EXCEPT !.stage = "answer", !.ans = "person"]
          ELSE [@ EXCEPT !.stage = "send"]]
     /\ UNCHANGED <<clock, ord, pay, shp, keys, relay, provider, tx, faults, ghosts, handled, wire>>

(* the provider's answers that are possible for a call under a new key *)
Answers(c) ==
  CASE c.op = "authorise" -> {"Authorized"} \cup (IF "decline" \in May THEN {"Declined"} ELSE {})
    [] c.op = "capture" ->
         IF Held(c.o) THEN {"Captured"} \cup (IF "refuse" \in May THEN {"Refused"} ELSE {})
         ELSE IF bank[c.o].captures > 0 /\ "capture is told" \in Assume THEN {"Captured"}
         ELSE {"Refused"}
    [] c.op = "void" -> IF bank[c.o].captures > 0 THEN {"Unknown"} ELSE {"Voided"}

(* the provider after it has done what `ans` says *)
Performed(b, c, ans) ==
  LET does == CASE ans = "Authorized" -> [b EXCEPT !.auths = @ + 1, !.hold = "held",
                                                    !.exp = IF AuthLife > 0 THEN clock + AuthLife ELSE 0]
                [] ans = "Declined"   -> [b EXCEPT !.hold = "declined"]
                [] ans = "Captured" /\ Held(c.o) -> [b EXCEPT !.captures = @ + 1, !.hold = "captured"]
                [] ans = "Refused"  /\ Held(c.o) -> [b EXCEPT !.hold = "refused"]
                [] ans = "Voided"   /\ Held(c.o) -> [b EXCEPT !.voids = @ + 1, !.hold = "voided"]
                [] OTHER              -> b
  IN [does EXCEPT !.mem[c.op] = [ans |-> ans, at |-> IF KeyLife > 0 THEN clock ELSE 0]]

(* does the provider remember the key of this call *)
Known(c) ==
  LET m == bank[c.o].mem[c.op]
  IN Guard("provider key") /\ m.ans # "none" /\ (KeyLife > 0 => clock < m.at + KeyLife)

(* the answer reaches the slot that waits for it, if one still does *)
Answered(c, ans) ==
  IF c.from \in Slots THEN [work EXCEPT ![c.from] = [@ EXCEPT !.stage = "answer", !.ans = ans]] ELSE work

(* provider: a call arrives, however late, whether or not its caller lives *)
ProviderPerforms(c) ==
  /\ c.op \in Operations
  /\ \E ans \in IF Known(c) THEN {bank[c.o].mem[c.op].ans} ELSE Answers(c) :
       /\ bank' = IF Known(c) THEN bank ELSE [bank EXCEPT ![c.o] = Performed(@, c, ans)]
       /\ work' = Answered(c, ans)
       /\ late' = IF ans = "Captured" /\ ~Known(c) /\ clock < ord[c.o].due THEN late \cup {"capture before due"} ELSE late
  /\ net' = net \ {c}
  /\ UNCHANGED <<clock, ord, pay, shp, keys, relay, parcel, tx, faults, said, handled, wire>>

(* the answer is lost, or the call's time-out passes: Unknown. The call    *)
(* itself may still be on its way.                                         *)
LoseAnswer(p) ==
  /\ losses > 0
  /\ work[p].stage \in {"find", "send", "wait", "answer"} /\ work[p].ans # "Unknown"
  /\ work' = [work EXCEPT ![p] = [@ EXCEPT !.stage = "answer", !.ans = "Unknown"]]
  /\ net' = {IF c.from = p THEN [c EXCEPT !.from = "nobody"] ELSE c : c \in net}
  /\ losses' = losses - 1
  /\ UNCHANGED <<clock, ord, pay, shp, keys, relay, bank, parcel, tx, crashes, ghosts, handled, wire>>

(* the same, where no answer can come any more: the call was not begun in  *)
(* time, or never reached the provider                                     *)
GiveUp(p) ==
  /\ clock >= work[p].till
  /\ \/ work[p].stage \in {"find", "send"} /\ "sent in time" \in Assume
     \/ work[p].stage = "wait" /\ \A c \in net : c.from # p
  /\ work' = [work EXCEPT ![p] = [@ EXCEPT !.stage = "answer", !.ans = "Unknown"]]
  /\ UNCHANGED <<clock, ord, pay, shp, keys, relay, provider, tx, faults, ghosts, handled, wire>>

(* domain: the payment after an outcome. One that is not known may be asked *)
(* for again after a back-off, which is shorter than a unit of time.       *)
PaymentAfter(p, ans) ==
  CASE ans = "Authorized" -> [p EXCEPT !.st = "Authorized", !.op = "none", !.until = 0]
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
    [] ans = "Voided"   -> "Cancelled"
    [] OTHER            -> s

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
      q   == PaymentAfter(pay[o], ans)
      s   == Ended([ord[o] EXCEPT !.st = StatusAfter(@, ans)])
      w   == IF Guard("start next") THEN Wants(s.st, q) ELSE "nothing"
      known == ans \notin {"Unknown", "person"}
      counts == Open(pay[o], op) /\ (known \/ work[p].last)
  IN /\ p \in Settlers
     /\ work[p].stage = "answer"
     /\ UNCHANGED <<clock, shp, keys, relay, provider, tx, faults, ghosts, handled>>
     /\ IF Guard("open outcome") /\ ~counts
        THEN /\ work' = [work EXCEPT ![p] = Idle]
             /\ UNCHANGED <<ord, pay, wire>>
        ELSE IF ~Guard("intent") /\ ~known
        THEN /\ work' = [work EXCEPT ![p] = Idle]
             /\ UNCHANGED <<ord, pay, wire>>
        ELSE /\ ord' = [ord EXCEPT ![o] = s]
             /\ Raise(IF ans = "Captured" THEN {Msg("PaymentCaptured", o, 1, 0)} ELSE {}, {})
             /\ IF known /\ w \in Operations
                THEN /\ pay' = [pay EXCEPT ![o] = WithIntent(q, w)]
                     /\ work' = [work EXCEPT ![p] = Call("send", o, w)]
                ELSE /\ pay' = [pay EXCEPT ![o] = q]
                     /\ work' = [work EXCEPT ![p] = Idle]

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
  /\ work' = TakenUp(p, "send", o, "ship")
  /\ Raise({}, taken)
  /\ UNCHANGED <<clock, ord, pay, keys, relay, provider, tx, faults, ghosts>>

(* parcel service: the hand-over, idempotent by key *)
ParcelTaken(c) ==
  LET known == Guard("parcel key") /\ parcel[c.o].known
  IN /\ c.op = "ship"
     /\ parcel' = IF known THEN parcel
                  ELSE [parcel EXCEPT ![c.o] = [n |-> @.n + 1, known |-> TRUE]]
     /\ work' = Answered(c, "Taken")
     /\ net' = net \ {c}
     /\ UNCHANGED <<clock, ord, pay, shp, keys, relay, bank, tx, faults, ghosts, handled, wire>>

(* the parcel service forgets a key (only where that is not excluded) *)
ParcelForgets(o) ==
  /\ "parcel keys last" \notin Assume
  /\ parcel[o].known
  /\ parcel' = [parcel EXCEPT ![o].known = FALSE]
  /\ UNCHANGED <<clock, ord, pay, shp, keys, relay, work, net, bank, tx, faults, ghosts, handled, wire>>

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
     /\ UNCHANGED <<clock, pay, keys, relay, provider, tx, faults, ghosts, handled, wire>>

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
  /\ UNCHANGED <<clock, ord, pay, shp, keys, outbox, relay, work, provider, tx, faults, ghosts, done, again>>

-------------------------------------------------------------------------------
(* Sweeper: whatever nobody woke, in every unfinished state. In the model  *)
(* it may look at any moment from due (attemptUntil, the limit) on.        *)

(* the number of the next internal message to shipping *)
NextWait(o) == 1 + Cardinality({m \in carrier \cup inbox \cup {row.m : row \in outbox} \cup {relay[r].m : r \in Relays} :
                                m.type = "ShipWaits" /\ m.o = o})

SweepConfirm(o) == Guard("sweeper") /\ Guard("row lock") /\ ord[o].st = "Pending" /\ clock >= ord[o].due
                   /\ Confirm(o, {}) /\ UNCHANGED <<handled, tx>>
SweepHold(o)    == Guard("sweeper") /\ CanExpire(o) /\ ExpireHold(o, {}) /\ UNCHANGED handled
SweepIntent(o)  == Guard("sweeper") /\ \E p \in Settlers : StoreIntent(o, p, {}) /\ UNCHANGED handled
SweepRelease(o) == Guard("sweeper") /\ ReleaseUnasked(o, {}) /\ UNCHANGED handled
SweepRepeat(o)  == Guard("sweeper") /\ \E p \in Settlers : Repeat(o, p, {}) /\ UNCHANGED handled

(* shipping is another service: it gets an internal message with an id of  *)
(* its own. The back-off is long enough for the last one to be handled.    *)
SweepShip(o) ==
  /\ Guard("sweeper") /\ CanShip(o)
  /\ "messages" \in May
  /\ \A m \in carrier \cup {row.m : row \in {x \in outbox : x.st # "sent"}} :
       (m.type = "ShipWaits" /\ m.o = o) => m \in inbox
  /\ Raise({Msg("ShipWaits", o, NextWait(o), 0)}, {})
  /\ UNCHANGED <<clock, ord, pay, shp, keys, relay, work, provider, tx, faults, ghosts, handled>>

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
  /\ UNCHANGED <<clock, ord, pay, shp, keys, relay, bank, parcel, tx, losses, ghosts, handled, wire>>

(* a process dies between read and write: nothing was written *)
TxCrash ==
  /\ \E t \in tx : tx' = tx \ {t}
  /\ UNCHANGED <<clock, ord, pay, shp, keys, relay, work, provider, faults, ghosts, handled, wire>>

(* the database's clock *)
Tick ==
  /\ clock < MaxTime
  /\ "prompt" \in Assume => \A p \in Slots : work[p] = Idle \/ clock + 1 < work[p].till
  /\ clock' = clock + 1
  /\ net' = {c \in net : c.by = 0 \/ clock + 1 <= c.by}
  /\ UNCHANGED <<ord, pay, shp, keys, relay, work, bank, parcel, tx, faults, ghosts, handled, wire>>

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
  /\ UNCHANGED <<clock, ord, pay, shp, relay, carrier, work, provider, tx, faults, ghosts, done, again>>

-------------------------------------------------------------------------------
CallArrives   == \E c \in net : ProviderPerforms(c)
ParcelArrives == \E c \in net : ParcelTaken(c)

Buyer ==
  \/ \E k \in Keys : Create(k)
  \/ \E o \in Orders : Cancel(o) \/ CancelRead(o) \/ Hold(o) \/ Resume(o)
  \/ CancelWrite

Fault ==
  \/ \E r \in Relays : RelayCrash(r)
  \/ CarrierForgets
  \/ \E p \in Slots : Crash(p) \/ LoseAnswer(p)
  \/ \E o \in Orders : ParcelForgets(o)
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
  \/ CallArrives \/ ParcelArrives
  \/ Purge
  \/ Tick

Next == Buyer \/ Fault \/ System

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
       /\ pay[o].st \in {"Requested", "Authorized", "Declined", "Voided", "Captured", "Failed", "Unknown"}
       /\ pay[o].op \in Operations \cup {"none"}
  /\ \A p \in Slots : work[p].stage \in {"idle", "find", "send", "wait", "answer"}

(* I1 Money moves once. *)
I1 == \A o \in Orders : bank[o].auths <= 1 /\ bank[o].captures + bank[o].voids <= 1

(* I2 The window is exact. *)
I2 == late = {}

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

(* The guard of -> Cancelled, and what PaymentFailed promises: no money of *)
(* the buyer stays held when the order has ended                           *)
EndHoldsNothing == \A o \in Orders : ord[o].st \in {"Cancelled", "PaymentFailed"} => ~Held(o)

(* ... and none was taken *)
EndTookNothing == \A o \in Orders : ord[o].st \in {"Cancelled", "PaymentFailed"} => bank[o].captures = 0

(* One call at a time: nobody repeats a call before its attemptUntil *)
UnderWay(p) == work[p].stage \in {"find", "send", "wait"} /\ clock < work[p].till
OneCall ==
  \A p, q \in Slots :
    (p # q /\ UnderWay(p) /\ UnderWay(q)) => (work[p].o # work[q].o \/ work[p].op # work[q].op)

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
    /\ ord[o].st = "PaymentFailed" => pay[o].st \in {"Declined", "Failed"}
    /\ pay[o].st = "Captured" => bank[o].captures > 0

Symmetry == Permutations(Settlers) \cup Permutations(Relays)
===============================================================================
