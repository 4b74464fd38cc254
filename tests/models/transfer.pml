/*
 * Two transfers from institution A to institution B, each approved by its own patient, with an
 * attacker who holds every file: a symbolic model in the manner of Dolev and Yao, for Spin.
 *
 * What is told by whom (src/transfer/state.rs has the same steps in Rust):
 *   A        offers record o to B; takes B's challenge and the patient's accept; sends; takes receipts
 *   B        answers offer o with a challenge, and again under another nonce; opens what it can open
 *   patient  signs to any challenge that answers their offer, whoever may have written it
 *   attacker keeps, drops, repeats and swaps all files, writes and signs what it likes as itself
 *
 * Terms are small numbers:
 *   challenge  (offer, nonce, key): 4 * offer + 2 * nonce + key; key 0 is B's, key 1 the attacker's
 *   accept     the challenge that it names; its offer and its patient are that challenge's offer
 *   parcel     the offer whose sender made it: A makes one a transfer
 * Nobody forges a signature, and a box opens under its own key alone: that is assumed, not shown.
 *
 * Each -DWEAK_… takes one binding or check away; tests/models/run.sh wants an attack for each.
 */

#define CHALLENGE(offer, nonce, key) (4 * (offer) + 2 * (nonce) + (key))
#define OFFER_OF(c) ((c) / 4)
#define KEY_OF(c) ((c) % 2)
#define THEIRS 1
#define NOBODY 9

/* Where a transfer stands with A, and with B. */
#define OFFERED 0
#define ACCEPTED 1
#define SENT 2
#define RECEIVED 3
#define ENDED 4
#define ASKED 1
#define OPENED 2

bool made[8];                 /* challenges that B signed */
bool said[8];                 /* accepts that patients signed */
byte a_state[2], a_challenge[2], a_accept[2];
byte b_state[2], b_challenge[2];
bool receipt[2];              /* B signed a receipt for A's parcel of this offer */
bool withdrawn[2], told[2];   /* consent is withdrawn; A was handed the patient's no */
bool expired;

bool leak;                    /* the attacker can open a record */
bool disagree;                /* two of the four hold different things for the same */
bool late;                    /* a parcel was sent that must no longer be */

/* The challenges that A takes for B's: those that B signed, */
#if defined(WEAK_CHALLENGE_SIGNATURE)
#define BY_B(c) (true)
#elif defined(WEAK_CHALLENGE_KEY)
#define BY_B(c) (made[c] || made[(c) ^ 1])
#elif defined(WEAK_CHALLENGE_OFFER)
#define BY_B(c) (made[c] || made[(c) ^ 4])
#else
#define BY_B(c) (made[c])
#endif

/* The accepts that either end takes for patient o's yes to challenge c: those that name it. */
#if defined(WEAK_ACCEPT_SIGNATURE)
#define YES(o, c, a) ((a) == (c))
#elif defined(WEAK_ACCEPT_CHALLENGE)
#define YES(o, c, a) (said[a] && OFFER_OF(a) == (o))
#elif defined(WEAK_ACCEPT_APPROVER)
#define YES(o, c, a) (said[a] && (a) % 4 == (c) % 4)
#else
#define YES(o, c, a) (said[a] && OFFER_OF(a) == (o) && (a) == (c))
#endif

/* A head names offer, challenge and accept; it holds its own parts. */
#if defined(WEAK_HEAD)
#define NAMES(head, o, c, a) (true)
#else
#define NAMES(head, o, c, a) ((head) == (o) && a_challenge[head] == (c) && a_accept[head] == (a))
#endif
#if defined(WEAK_HEAD) || defined(WEAK_PARTS)
#define HOLDS(head, box) (true)
#else
#define HOLDS(head, box) ((head) == (box))
#endif

/* A box opens for B if it was sealed for B's key, under the same three digests. */
#if defined(WEAK_INFO)
#define OPENS(box, o, c, a) (KEY_OF(a_challenge[box]) != THEIRS)
#else
#define OPENS(box, o, c, a) (KEY_OF(a_challenge[box]) != THEIRS && \
    (box) == (o) && a_challenge[box] == (c) && a_accept[box] == (a))
#endif

#if defined(WEAK_RECEIPT)
#define FOR(parcel, o) (true)
#else
#define FOR(parcel, o) ((parcel) == (o))
#endif

/* What A looks at once more before it sends. */
#if defined(WEAK_REFUSAL)
#define HEEDS(o) (false)
#else
#define HEEDS(o) (true)
#endif
#if defined(WEAK_CONSENT)
#define CONSENTED(o) (true)
#else
#define CONSENTED(o) (!withdrawn[o])
#endif
#if defined(WEAK_EXPIRY)
#define IN_TIME (true)
#else
#define IN_TIME (!expired)
#endif

#define GONE(o) (a_state[o] == SENT || a_state[o] == RECEIVED)

/* A's side of transfer o. The attacker chooses which challenge and which accept it is handed. */
proctype Sender(byte o) {
    byte c, a, parcel;
offered:
    atomic {
        if
        :: told[o] -> a_state[o] = ENDED; goto over
        :: else
        fi;
        select(c : 0 .. 7);
        select(a : 0 .. 7);
        if
        :: !expired && BY_B(c) && OFFER_OF(c) == o && YES(o, c, a) ->
            a_state[o] = ACCEPTED; a_challenge[o] = c; a_accept[o] = a;
            disagree = disagree || !made[c] || !said[c] || a != c
        :: else -> c = 0; a = 0; goto offered
        fi
    }
approved:
    atomic {
        if
        :: HEEDS(o) && told[o] -> a_state[o] = ENDED; goto over
        :: !(HEEDS(o) && told[o]) && CONSENTED(o) && IN_TIME ->
            a_state[o] = SENT;
            leak = leak || KEY_OF(a_challenge[o]) == THEIRS;
            late = late || expired || withdrawn[o] || told[o]
        fi
    }
sent:
    atomic {
        select(parcel : 0 .. 1);
        if
        :: receipt[parcel] && FOR(parcel, o) ->
            a_state[o] = RECEIVED;
            disagree = disagree || b_state[o] != OPENED
        :: else -> parcel = 0; goto sent
        fi
    }
over:
    skip
}

/* B's side of transfer o. */
proctype Receiver(byte o) {
    byte a, head, box;
    atomic {
        !expired;
        b_challenge[o] = CHALLENGE(o, 0, 0); made[b_challenge[o]] = true; b_state[o] = ASKED
    }
asked:
    atomic {
        if
        :: !expired && b_challenge[o] == CHALLENGE(o, 0, 0) ->  /* it lost its files and asks again */
            b_challenge[o] = CHALLENGE(o, 1, 0); made[b_challenge[o]] = true; goto asked
        :: true
        fi;
        select(a : 0 .. 7);
        select(head : 0 .. 1);
        select(box : 0 .. 1);
        if
        :: !expired && YES(o, b_challenge[o], a) && GONE(head) && GONE(box) &&
           NAMES(head, o, b_challenge[o], a) && HOLDS(head, box) &&
           OPENS(box, o, b_challenge[o], a) ->
            b_state[o] = OPENED; receipt[head] = true;
            disagree = disagree || box != o || !GONE(o) || a_challenge[o] != b_challenge[o]
#ifdef WEAK_SENDER
        :: !expired ->  /* neither is the head signed nor the box: the attacker sends its own */
            b_state[o] = OPENED; box = NOBODY;
            disagree = true
#endif
        :: else -> a = 0; head = 0; box = 0; goto asked
        fi
    }
}

/* Patient p signs to at most two challenges that answer their own offer; the attacker may have
 * written either, for the patient's own program knows no institution's key. */
proctype Patient(byte p) {
    byte c, times;
    do
    :: atomic {
        times < 2 && !told[p] && !expired;
        select(c : 0 .. 7);
        if
        :: OFFER_OF(c) == p && !said[c] -> said[c] = true; times++
        :: else
        fi;
        c = 0
    }
    :: atomic { !told[p] && a_state[p] != SENT && a_state[p] != RECEIVED -> told[p] = true }
    :: atomic { !withdrawn[p] -> withdrawn[p] = true }
    :: break
    od
}

proctype Time() {
    expired = true
}

init {
    atomic {
        run Sender(0); run Sender(1);
        run Receiver(0); run Receiver(1);
        run Patient(0); run Patient(1);
        run Time()
    }
}

ltl everything { [] (!leak && !disagree && !late) }
ltl secrecy { [] !leak }
ltl agreement { [] !disagree }
ltl obedience { [] !late }

/* Must be false: both records can arrive. */
ltl nothing_arrives { [] !(a_state[0] == RECEIVED && a_state[1] == RECEIVED) }
