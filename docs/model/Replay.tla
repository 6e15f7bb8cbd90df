-------------------------------- MODULE Replay --------------------------------
(***************************************************************************)
(* The model as tests/replay/ walks through it: each step says what it is  *)
(* (`act`), so that it can be done with the real code, and the states can  *)
(* be compared. Nothing happens here that the model does not allow:        *)
(*  - Where one real transaction is two actions of the model, the second   *)
(*    one is forced to come next (`then`).                                 *)
(*  - What must change nothing is a step too: a refused request, a message *)
(*    with nothing to do, a look of the sweeper at an order that is well.  *)
(***************************************************************************)
EXTENDS ProtectedPayment

VARIABLES
  act,   \* what the last step was
  then,  \* what the transaction that is under way does next
  since  \* the number of the first wake-up that was armed for the order's present due

NoMore == [do |-> "nothing", o |-> 0, p |-> "none"]

(* a step that is a whole call of the real code *)
Whole(name, what) ==
  /\ then = NoMore
  /\ act' = [do |-> name, what |-> what]
  /\ then' = NoMore
  /\ since' = [o \in Orders |-> IF ord[o].due = 0 \/ (name = "Resume" /\ what = o) THEN ord'[o].wakes ELSE since[o]]

(* The model's units of time are coarse: a due that has moved can be the    *)
(* same number as before. In the code it never is, so a wake-up of before  *)
(* the resume is outdated.                                                 *)
Current(m) == m.type = "OrderDue" => m.n >= since[m.o]

OnlyCurrent == \A m \in inbox' \ inbox : Current(m)

-------------------------------------------------------------------------------
(* Chance. TLC's simulation picks one of all next states; what is always   *)
(* possible would crowd out the rest. (That `clock` takes part keeps TLC   *)
(* from drawing once for all.)                                             *)
OneOf(n) == RandomElement({x \in 1..n : x + clock > 0}) = 1

(* Whatever chance forbids, a walk can go on with "Wait". *)

(* one element of a set, as a set *)
One(set) == IF set = {} THEN {} ELSE {RandomElement(set)}

-------------------------------------------------------------------------------
(* The sweeper's transaction does for an order what the clock asks for and *)
(* then, with a call slot or where no call is needed, what its payment     *)
(* asks for.                                                               *)

ClockAsks(o) == (ord[o].st = "Pending" /\ clock >= ord[o].due) \/ CanExpire(o)
DoAsClockAsks(o) == SweepConfirm(o) \/ SweepHold(o)
DoAsPaymentAsks(o, p) ==
  (StoreIntent(o, p, {}) \/ ReleaseUnasked(o, {}) \/ Repeat(o, p, {})) /\ UNCHANGED handled

Sweep(o, p) ==
  /\ then = NoMore
  /\ work[p] = Idle
  /\ \/ /\ ClockAsks(o) /\ DoAsClockAsks(o)
        /\ then' = [do |-> "pay", o |-> o, p |-> p]
     \/ /\ ~ClockAsks(o) /\ DoAsPaymentAsks(o, p)
        /\ then' = NoMore
  /\ act' = [do |-> "Sweep", what |-> o]
  /\ UNCHANGED since

SweepGoesOn ==
  /\ then.do = "pay"
  /\ IF CanSettle(then.o) THEN DoAsPaymentAsks(then.o, then.p) ELSE UNCHANGED vars
  /\ act' = [do |-> "SweepGoesOn", what |-> then.o]
  /\ then' = NoMore
  /\ UNCHANGED since

(* no call slot is free *)
SweepWithoutSlot(o) ==
  /\ then = NoMore
  /\ ClockAsks(o) /\ DoAsClockAsks(o)
  /\ then' = [do |-> "release", o |-> o, p |-> "none"]
  /\ act' = [do |-> "SweepWithoutSlot", what |-> o]
  /\ UNCHANGED since

SweepWithoutSlotGoesOn ==
  /\ then.do = "release"
  /\ IF Wants(ord[then.o].st, pay[then.o]) = "release"
     THEN ReleaseUnasked(then.o, {}) /\ UNCHANGED handled ELSE UNCHANGED vars
  /\ act' = [do |-> "SweepWithoutSlotGoesOn", what |-> then.o]
  /\ then' = NoMore
  /\ UNCHANGED since

-------------------------------------------------------------------------------
(* What changes nothing *)

Refused(o, name) ==
  CASE name = "cancel" -> ~MayCancel(ord[o], clock)
    [] name = "hold"   -> ~(ord[o].st = "Pending" /\ clock < ord[o].due /\ (ord[o].limit > 0 => clock < ord[o].limit))
    [] name = "resume" -> ~(ord[o].st = "OnHold" /\ clock < ord[o].limit)

ChangesNothing ==
  \E o \in {x \in Orders : ord[x].st # "none"} :
    \/ \E name \in One({n \in {"cancel", "hold", "resume"} : Refused(o, n)}) :
         UNCHANGED vars /\ Whole("Refused", [name |-> name, o |-> o])
    \/ \E row \in {r \in keys : r.o = o} : UNCHANGED vars /\ Whole("CreateAgain", row.key)
    \/ /\ ~ClockAsks(o) /\ ~CanSettle(o) /\ ~CanShip(o)
       /\ UNCHANGED vars /\ Whole("SweepInVain", o)
    \/ \E m \in One({x \in carrier : x.o = o /\ (x \in inbox \/ ~HasEffect(x) \/ ~Current(x))}) :
         /\ inbox' = inbox \cup {m}
         /\ UNCHANGED <<clock, ord, pay, shp, keys, refunds, outbox, relay, carrier, work, provider, tx, faults, ghosts, done, again>>
         /\ Whole("DeliverInVain", m)

-------------------------------------------------------------------------------
(* purge() takes what is old enough of all three tables *)
PurgeAll ==
  /\ Retention > 0
  /\ inbox' = {m \in inbox : ~Purgeable(m.o)}
  /\ keys' = {k \in keys : clock < k.at + Retention}
  /\ outbox' = {row \in outbox : row.st # "sent"}
  /\ <<inbox, keys, outbox>>' # <<inbox, keys, outbox>>
  /\ UNCHANGED <<clock, ord, pay, shp, refunds, relay, carrier, work, provider, tx, faults, ghosts, done, again>>

-------------------------------------------------------------------------------
ReplayInit == Init /\ act = [do |-> "Init", what |-> 0] /\ then = NoMore /\ since = [o \in Orders |-> 0]

ReplayNext ==
  \/ \E k \in Keys : Create(k) /\ Whole("Create", k)
  \/ \E o \in Orders : OneOf(16) /\ Cancel(o) /\ Whole("Cancel", o)
  \/ \E o \in Orders : OneOf(8) /\ Hold(o) /\ Whole("Hold", o)
  \/ \E o \in Orders : OneOf(8) /\ Resume(o) /\ Whole("Resume", o)
  \/ \E r \in Relays : RelayClaim(r) /\ Whole("RelayClaim", r)
  \/ \E r \in Relays : RelayPublish(r) /\ Whole("RelayPublish", r)
  \/ \E r \in Relays : RelayMark(r) /\ Whole("RelayMark", r)
  \/ \E r \in Relays : RelayCrash(r) /\ Whole("RelayCrash", r)
  \/ OneOf(4) /\ CarrierForgets /\ Whole("CarrierForgets", 0)
  \/ HandleOrderDue /\ OnlyCurrent /\ Whole("HandleOrderDue", 0)
  \/ HandleHoldExpired /\ Whole("HandleHoldExpired", 0)
  \/ OneOf(6) /\ HandleEarly /\ OnlyCurrent /\ Whole("HandleEarly", 0)
  \/ HandleIntent /\ Whole("HandleIntent", 0)
  \/ HandleRelease /\ Whole("HandleRelease", 0)
  \/ HandleRepeat /\ Whole("HandleRepeat", 0)
  \/ HandleShip /\ Whole("HandleShip", 0)
  \/ Acknowledge /\ Whole("Acknowledge", 0)
  \/ \E o \in Orders, p \in Settlers : OneOf(4) /\ Sweep(o, p)
  \/ SweepGoesOn
  \/ \E o \in Orders : OneOf(4) /\ SweepWithoutSlot(o)
  \/ SweepWithoutSlotGoesOn
  \/ \E o \in Orders : SweepShip(o) /\ Whole("SweepShip", o)
  \/ \E o \in Orders : SweepShipAtOnce(o) /\ Whole("SweepShipAtOnce", o)
  \/ \E p \in Slots : Send(p) /\ Whole("Send", p)
  \/ \E p \in Slots : Find(p) /\ Whole("Find", p)
  \/ \E p \in Slots : GiveUp(p) /\ Whole("GiveUp", p)
  \/ \E p \in Slots : OneOf(6) /\ LoseAnswer(p) /\ Whole("LoseAnswer", p)
  \/ \E p \in Slots : OneOf(8) /\ Crash(p) /\ Whole("Crash", p)
  \/ \E p \in Settlers : StoreOutcome(p) /\ Whole("StoreOutcome", p)
  \/ \E p \in Shippers : ShipOutcome(p) /\ Whole("ShipOutcome", p)
  \/ \E c \in net : ProviderPerforms(c) /\ Whole("ProviderPerforms", c)
  \/ \E c \in net : ParcelTaken(c) /\ Whole("ParcelTaken", c)
  \/ OneOf(4) /\ PurgeAll /\ Whole("Purge", 0)
  \/ OneOf(5) /\ Tick /\ Whole("Tick", 0)
  \/ OneOf(5) /\ ChangesNothing
  \/ UNCHANGED vars /\ Whole("Wait", 0)

ReplaySpec == ReplayInit /\ [][ReplayNext]_<<vars, act, then, since>>
===============================================================================
