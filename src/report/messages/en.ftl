# What contributors read, in English. Each message is also in de.ftl, with the same variables.

# Every page
reader-public = Public record
reader-steward = For the steward
reader-contributor = Private: for you alone
reader-sponsor = Private: for the sponsor and their auditor
as-of = As of { $time }.
under-percent = under { $least } %

month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December

purpose-any = any use, without restriction
purpose-health = health, medical or biomedical research
purpose-disease = research on one disease
purpose-ancestry = research on population origins or ancestry
purpose-general = general research
purpose-payment = payments to you out of a cover or reward

# The statement
statement-title = Your statement
statement-lead = Pool { $pool }, { $period }, settled on { $date }. Member { $member }.
statement-foot = Statement of pool { $pool }, { $period }. Private: for you alone.
statement-csv = As a spreadsheet
statement-json = For programs
statement-pdf = For printing

hero-paid = paid to you for { $period }.
hero-paid-rest = paid to you for { $period }. The rest, { $rest }, is carried to the next period.
hero-nothing = Nothing paid this time
hero-nothing-rest = What you earned stays yours: { $rest } is carried to the next period. Amounts under { $minimum } are not paid out until they add up.
answers-none = No researcher’s answer drew on your records in this period.
answers-some =
    { $count ->
        [one] One researcher’s answer drew on your records in this period.
       *[other] { $count-text } researchers’ answers drew on your records in this period.
    }

layer-base = For contributing your records
layer-usage = For answers that drew on your records
layer-new-data = For records that were not there before
layer-value = For making a model better

account-heading = How it adds up
account-caption = Your account with pool { $pool }, in { $currency }
account-what = What for
account-how = How
account-opening = Carried from before
account-weight = weight { $weight } of { $total }, { $share } of { $pot }
account-cap = Change by the cap for one person
account-cap-how = at most { $rate } of all for one person
account-gross = Earned
account-institution = Part of the institutions that keep your records
account-platform = Part of the platform
account-part = { $rate } of what was earned
account-person = Your own part
account-adjust = Taken off to make good what should not have been paid
account-adjust-how = { $owed } still to be made good
account-held = Put aside; it becomes yours in later settlements
account-vested = Put aside earlier; it became yours now
account-balance = In your account
account-tax = Tax withheld
account-tax-how = { $rate } for country { $country }
account-tax-unknown = { $rate }; no country of yours is on record
account-paid = Paid to you
account-closing = Carried to the next period
account-minimum = Less than { $minimum } is not paid out but carried. So is whatever is less than the smallest coin.

uses-heading = What your records were used for
uses-caption = Answers that drew on your records; researchers saw totals of 11 or more people, never a row
uses-date = Day
uses-purpose = What for
uses-asker = Who asked
uses-dataset = Dataset
uses-mine = Your records
uses-counted = Of them paid for
uses-all = All records
uses-units = Share units
uses-nobody = not stated
uses-hidden = hidden
uses-hidden-note = A total is hidden where fewer than 11 people stand behind it.
uses-payer-note = Records that come from the institution that asks, or from one related to it, are not paid for: nobody earns by asking for their own data.
dataset-version = { $dataset }, version { $version }

records-heading = Your records, one by one
records-none = No version that this settlement read holds records of yours.
records-caption = Your records in the versions that this settlement read
records-dataset = Dataset
records-institution = Institution
records-rows = Rows
records-duplicates = Duplicates
records-counted = Counted
records-quality = Quality
records-base = Paid for contributing
records-yes = yes
records-no = no: a newer version counts
records-duplicates-note = A row that only repeats another counts once, so that copying earns nothing.
new-caption = Your new records, by kinds of records that are alike
new-new = New
new-prior = There before
new-quality = Quality
new-counts = Paid for now
new-prior-hidden = fewer than 11
new-yes = yes
new-no = not yet: too few verified people have such records
rejected-caption = Rows of all institutions that were not taken in, for all people together
rejected-dataset = Dataset
rejected-reason = Reason
rejected-rows = Rows
rejected-hidden = fewer than 11
rejected-note = A row that is rejected may not say whose it is, so rejected rows are counted for all people together, not for you alone.
reject-type = A cell is not of its column’s type
reject-required = A required cell is empty
reject-range = A value lies outside the allowed range
reject-code = A code is not on the column’s list
reject-length = A cell is too long
reject-key-duplicate = A key occurs twice
reject-foreign-key = A row refers to one that is not there
reject-columns = A row has too many or too few cells

decisions-heading = Decisions on your account
decisions-caption = What was decided, why, and where it stands in the public book
decisions-what = Decision
decisions-amount = Amount
decisions-reason = Reason
decisions-entry = Entry in the book
decision-correct = Correction
decision-exclude-contributor = Your records earn nothing for now; what you earned before stays yours
decisions-note = A correction is only ever taken off what you earn later. What was paid or carried is not touched.

later-heading = Put aside for you
later-caption = What becomes yours to draw, and when
later-when = When
later-amount = Amount
later-due =
    { $count ->
        [one] with the next settlement
       *[other] in { $count-text } settlements
    }

year-heading = This year
year-caption =
    { $count ->
        [one] The one settlement of this pool made in { $year } so far
       *[other] The { $count-text } settlements of this pool made in { $year } so far
    }
year-what = Sum
year-earned = Your own part
year-tax = Tax withheld
year-paid = Paid to you

consents-heading = What you have decided
consents-none = No decision of yours is on record, so nothing of yours is used.
consents-caption = Your decisions, the newest last
consents-decision = Decision
consents-purpose = What for
consents-where = Where
consents-data = Which data
consents-from = From
consents-until = Until
consent-grant = You permitted
consent-withdraw = You took back
consent-opt-out = You keep out of every such use
consent-opt-in = You no longer keep out
consents-every-purpose = every purpose
consents-all-institutions = all institutions
consents-all-data = all kinds of data
consents-open = until you say no
consents-now-stands = As your decisions stand, your records may be used for what you permitted.
consents-now-withdrawn = As your decisions stand, your records are not used in any new version.
consents-withdraw = You may change your mind at any time, without a reason and at no cost: tell any of your institutions, or the steward runs this command for you. Every version made after that day is made without you. What you earned until then stays yours.

releases-heading = Where your records are
releases-caption = Versions of datasets
releases-version = Version
releases-state = You are
releases-rows = Your rows
releases-in = in it
releases-out = not in it
releases-note = A version that holds you was made while you consented and cannot be called back. Each one made after you withdraw leaves you out.

dispute-heading = If something is wrong
dispute-text = Tell the steward by { $date } (within { $days } days of the settlement), and name pool, period and what is wrong. You need not prove it: the steward has to show how the amount came about. A mistake is put right in the next settlement.

check-heading = Check it yourself
check-text = Nobody has to take our word for this. The amounts follow from recorded inputs by a published rule, and a fingerprint of this statement stands in a public book that cannot be changed unseen. It names nobody. This command works all of it out again:
check-rules = Rule set
check-rules-value = { $name }, version { $version }
check-method = Method
check-rules-digest = Digest of the rule set
check-inputs = Digest of the inputs
check-lines = Digest of all lines
check-entry = Entry in the public book
check-title = What the amounts were reckoned from
proof-title = The proof
proof-text = This is line { $line } of { $lines }. Hash its leaf with the hashes of the path, one after the other, and the root comes out that the public book has.
proof-line = Line
proof-token = Token
proof-salt = Salt
proof-leaf = Leaf
proof-path = Path
proof-root = Root

# What a cover paid
cover-title = What your cover paid
cover-lead = Policy { $policy } of { $insurer }, for what happens from { $from } to { $until }. Member { $member }.
cover-foot = Payments of policy { $policy }. Private: for you alone.
cover-hero-nothing = Nothing was paid to you so far.
cover-hero-paid =
    { $count ->
        [one] paid to you for one event. You had to claim nothing.
       *[other] paid to you for { $count-text } events. You had to claim nothing.
    }
cover-how-insurance = You need not claim anything or prove anything. When your records show what the policy pays for, it pays { $sum } by itself.
cover-how-incentive = When your records show that you did what the policy rewards, it pays { $sum } by itself.
cover-once = Each event is paid once, even when two institutions report it or the same record comes again.
cover-events-heading = What your records showed
cover-caption = Events, and what came of each, in { $currency }
cover-day = Day
cover-event = Event
cover-institution = Reported by
cover-outcome = What came of it
cover-owed = Due
cover-kept = Kept
cover-paid = Paid
cover-state = Where the money is
cover-outcome-paid = due to you, paid once
cover-outcome-recovered = due to you, less what was kept
cover-outcome-flagged = not due after all: the record was taken back
cover-outcome-waiting = due to you as soon as the insurer has put in the money
cover-outcome-cap-person = nothing more: you have all that one person gets
cover-outcome-cap-policy = nothing more: the policy has paid all that it pays
cover-outcome-known = known already, and paid once
cover-outcome-twice = not due after all: it was paid twice under two of your ids
cover-outcome-taken-back = taken back by the institution; it does not count
cover-state-open = not sent yet
cover-state-ordered = on its way to your account
cover-state-booked = sent to your account
cover-recovery-heading = If something was paid that was not due
cover-recovery-why = An institution took back a record that had set a payment off. You did nothing wrong, and nobody asks the money back. It is only ever kept from later payments of this same policy; if there are none, it stays yours.
cover-recovery-left = Still to be kept from later payments: { $amount }.
cover-recovery-done = All of it was kept. Nothing is open.
cover-consent-heading = Your consent
cover-consent-text = Your records were looked at for this because you permitted it: { $purpose }. You may change your mind at any time, without a reason. From then on they are not looked at for this any more, and nothing more is paid. What was paid stays yours. Tell any of your institutions, or the steward runs this command for you.
cover-check-text = Nobody has to take our word for this. A fingerprint of each of these lines stands in a public book that cannot be changed unseen. It names nobody, and nobody can read from it what you had. This command gives you the proof of your lines:
cover-proof-title = The line of { $day }
cover-evidence = Fingerprint of the record

# Why this amount
explain-title = Why { $amount }?
explain-answer-paid = For { $period }, pool { $pool } pays you { $paid }. Here is how that comes about, step by step.
explain-answer-nothing = For { $period }, pool { $pool } pays you nothing yet, and carries { $carried } for you. Here is how that comes about, step by step.
explain-money = The pool received { $received } for this period, and { $returned } was left from before. The platform’s fee is { $rate } of the new money, { $fee }. { $reserve } of it is kept in reserve. That leaves { $given } for contributors.
explain-layer-base = { $rate } of that, { $pot }, is for contributing. What counts is the number of your records times their quality. Yours come to { $weight }, everybody’s to { $total }: you have { $share }. That gives you { $amount }.
explain-layer-usage = { $rate } of that, { $pot }, is for being used. Every paid question hands out share units over the records that its answer drew on. You got { $weight } of { $total } units: { $share }. That gives you { $amount }.
explain-layer-new-data = { $rate } of that, { $pot }, is for records that were not there before. The rarer such records are, the more one counts, once more than one verified person has some. Yours come to { $weight }, everybody’s to { $total }: you have { $share }. That gives you { $amount }.
explain-layer-value = { $rate } of that, { $pot }, is for making a model better, by values that were computed and recorded before. Yours come to { $weight }, everybody’s to { $total }: you have { $share }. That gives you { $amount }.
explain-cap-less = Nobody gets more than { $rate } of all. That takes { $change } off, so you earned { $gross }.
explain-cap-more = Nobody gets more than { $rate } of all. What others could not get for that reason adds { $change } to yours, so you earned { $gross }.
explain-cap-none = Nobody gets more than { $rate } of all. You are under that, so it changes nothing: you earned { $gross }.
explain-gross = Together you earned { $gross }.
explain-split = Of what you earned, { $person-rate } is your own part, { $person }. { $institution } goes to the institutions that keep your records, and { $platform } to the platform.
explain-adjust = { $amount } is taken off your own part, because an earlier payment should not have been made: { $reason }. { $owed } is still to be made good. Nothing that was paid to you is asked back.
explain-held = { $held } of your own part is put aside and becomes yours in later settlements.
explain-vested = { $vested } that was put aside earlier became yours now.
explain-account = You brought { $opening } along from before. With that, { $balance } is in your account.
explain-payable = Whole coins are paid once they come to { $minimum } or more. That is { $payable }.
explain-unpaid = Whole coins are paid once they come to { $minimum } or more. Your account does not come to that yet, so nothing is paid and nothing is lost.
explain-tax = { $rate } of it, { $tax }, is withheld for the tax office.
explain-result = So { $paid } is paid to you, and { $carried } is carried to the next period.
explain-check = All figures follow from recorded inputs. To work them out again, run { $command }. If something is wrong, tell the steward by { $date }.
explain-adjust-earlier = a decision that an earlier statement tells

# The risk report
risk-title = What could be learnt from { $name }
risk-lead = How likely somebody is recognised, what they would learn, and what the data are still good for. Population: { $population }, { $people } people.
risk-json = For programs
risk-hero = 1 in { $class-text }
risk-hero-means = is the highest chance that somebody who knows all they can know of a person picks that person's record.
risk-unsigned = Nobody has determined this yet: the figures alone decide nothing.
risk-signed = { $by } determined on { $time } that the risk is very small.
risk-key = Key
risk-entry = Entry in the public book
risk-tests = Three questions of the data-protection authorities
risk-tests-lead = Asked by opinion 05/2014 of the Article 29 working party. Where the figures alone do not answer, the expert does.
risk-test = Question
risk-asks = In words
risk-answer = Answer
risk-because = Because
risk-holds = no
risk-judge = for the expert
risk-fails = yes
risk-singling = Singling out
risk-singling-asks = Can one person be picked out of the data?
risk-singling-holds = Everyone shares what others may know of them with at least as many people as was promised.
risk-singling-fails = Somebody shares what others may know of them with fewer people than was promised.
risk-linking = Linking
risk-linking-asks = Can two records be known to be of one person?
risk-linking-judge = Inside this version a person's rows share a pseudonym, so that they can be studied; no other version shares it. Whether other data could be linked is the expert's to judge.
risk-linking-fails = Records that stand alone can be matched with any other list that has the same columns.
risk-inference = Inference
risk-inference-asks = Can something new be concluded about a person?
risk-inference-holds = Among people who look alike, sensitive values differ nearly as much as in the whole table.
risk-inference-judge = Either no column is named sensitive, or people who look alike have sensitive values more alike than the whole table's.
risk-inference-fails = Among some people who look alike, all have the same sensitive value: whoever is known to be one of them has it.
risk-table = Table { $table }
risk-rows = { $rows } rows; { $left } were left out because too few people look like theirs.
risk-no-quasi = No column of it is one that others are taken to know.
risk-quasi = Taken to be known to others: { $columns }.
risk-figures = How likely somebody is recognised
risk-figure = Figure
risk-before = before
risk-after = after
risk-means = What it means
risk-smallest = Smallest class
risk-smallest-means = So many people at the least look alike in what others may know.
risk-highest = Highest risk (prosecutor)
risk-highest-means = The chance to pick the right record of the person easiest to find, for somebody who knows that they are in the data.
risk-over = Share at risk
risk-over-means = The share of people who could be picked with a chance above one in five.
risk-average = Average risk
risk-average-means = The chance to pick the right record of a person taken at random.
risk-journalist = Highest risk (journalist)
risk-journalist-means = The same for somebody who does not know whether the person is in the data; without a register of the population it is taken to be as high.
risk-marketer = Matched (marketer)
risk-marketer-means = The share of records that somebody who guesses for all of them would guess right.
risk-alone = Alone in the data
risk-alone-means = The share of people with whom nobody in the data shares what others may know.
risk-population = Alone in the population
risk-population-means = The share of all people of the population with whom nobody shares it, by the model that fits the size of the sample (Dankar and others).
risk-model-means = The same by one model.
risk-unknown = not known
risk-unsolved = no solution
risk-under = under { $most }
risk-minimal = Who stands out by few columns
risk-minimal-found = { $records } people are singled out by at most { $most } columns.
risk-minimal-chart = Columns that take part in singling somebody out, by their share of the score
risk-sensitive = What people who look alike would give away
risk-sensitive-lead = The worst class of each measure. An l of 3 means: whoever is known to be in the class may have any of three values. A t of 0 means: the class tells no more than the whole table.
risk-column = Column
risk-l = Values (l)
risk-entropy-l = Entropy l
risk-c = c of (c, 2)
risk-t = t
risk-certain = Rows without doubt
risk-columns = What was done to each column, and what is left of it
risk-columns-lead = Alike: the share of rows whose values are spread as before. Where values are told more coarsely the pictures show both.
risk-role = What it is
risk-done = What was done
risk-alike = Alike
risk-coarser = told more coarsely
risk-others = others, too few each
risk-rests = What the figures rest on
risk-rests-lead = Whoever has the same data, configuration and program gets the same figures.
risk-digests = Digests
risk-generalised = How values were generalised
risk-run-key = Everything the run depends on

selfcheck-heading = Checked on this page
selfcheck-file = { $count ->
    [one] This page brings the proof that it rests on, as a file that needs no site and no network. Save it and check it with the log’s public key, taken from someone you trust:
   *[other] This page brings the { $count-text } proofs that it rests on, as files that need no site and no network. Save them and check them with the log’s public key, taken from someone you trust:
    }
selfcheck-files = { $count ->
    [one] The proof file
   *[other] The { $count-text } proof files
    }
selfcheck-good = Your browser has checked this page: everything below holds.
selfcheck-bad = Something on this page does not hold. Do not rely on it: keep it, and ask for another.
selfcheck-cannot = Your browser cannot check this page: it does not know Ed25519 here. The command above checks the proof all the same.
selfcheck-form = The proof can be read, and is of a form that this page knows.
selfcheck-log = The fingerprint of the entry, worked out here, leads to the root of the log’s signed state.
selfcheck-signed = The log’s key below signed that state.
selfcheck-line = The line in the proof is the one that its leaf was made of.
selfcheck-leaf = The leaf stands in the tree whose root the entry names.
selfcheck-shown-paid = The amount at the top of this page is what the line says was paid.
selfcheck-shown-head = The root that this page names is the one that the log signed.
selfcheck-key = The key that you put in is the one that this page was checked with.
selfcheck-lines = What the proof says was paid, word for word (amounts called micro are millionths of the smallest unit)
selfcheck-vkey = Checked with this key of the log:
selfcheck-paste = The log’s key, from someone you trust:
selfcheck-not = What this check does not show:
selfcheck-not-key = that the key is the log’s: this page brought it. Put in the key that you have from elsewhere.
selfcheck-not-rest = that the other figures of this page are right, or the amount well reckoned: the commands above and an auditor work them out again.
selfcheck-not-audit = that the findings of this audit are right: the commands above work them out again.
selfcheck-not-fork = that others are shown the same book: compare the signed state with theirs, or ask for witnesses’ cosignatures.
selfcheck-not-page = that this page is honest: who can change a page can change what it says of itself. The command above does not trust the page.
