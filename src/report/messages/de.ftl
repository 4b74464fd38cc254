# Was Beitragende lesen, auf Deutsch. Jede Meldung steht auch in en.ftl, mit denselben Variablen.

# Jede Seite
reader-public = Öffentliches Verzeichnis
reader-steward = Für die Verwaltung
reader-contributor = Vertraulich: nur für Sie
reader-sponsor = Vertraulich: für den Förderer und seine Prüfer
as-of = Stand: { $time }.
under-percent = unter { $least } %

month-1 = Januar
month-2 = Februar
month-3 = März
month-4 = April
month-5 = Mai
month-6 = Juni
month-7 = Juli
month-8 = August
month-9 = September
month-10 = Oktober
month-11 = November
month-12 = Dezember

purpose-any = jede Nutzung, ohne Einschränkung
purpose-health = Gesundheits-, medizinische oder biomedizinische Forschung
purpose-disease = Forschung zu einer Krankheit
purpose-ancestry = Forschung zu Herkunft und Abstammung
purpose-general = allgemeine Forschung
purpose-payment = Zahlungen an Sie aus einer Absicherung oder Belohnung

# Die Abrechnung
statement-title = Ihre Abrechnung
statement-lead = Topf { $pool }, { $period }, abgerechnet am { $date }. Mitglied { $member }.
statement-foot = Abrechnung des Topfs { $pool }, { $period }. Vertraulich: nur für Sie.
statement-csv = Als Tabelle
statement-json = Für Programme
statement-pdf = Zum Drucken

hero-paid = Ihnen ausgezahlt für { $period }.
hero-paid-rest = Ihnen ausgezahlt für { $period }. Der Rest, { $rest }, wird in den nächsten Zeitraum übertragen.
hero-nothing = Diesmal keine Auszahlung
hero-nothing-rest = Was Sie verdient haben, bleibt Ihres: { $rest } wird in den nächsten Zeitraum übertragen. Beträge unter { $minimum } werden erst ausgezahlt, wenn sie sich angesammelt haben.
answers-none = In diesem Zeitraum hat keine Antwort an Forschende auf Ihre Daten zurückgegriffen.
answers-some =
    { $count ->
        [one] Eine Antwort an Forschende hat in diesem Zeitraum auf Ihre Daten zurückgegriffen.
       *[other] { $count-text } Antworten an Forschende haben in diesem Zeitraum auf Ihre Daten zurückgegriffen.
    }

layer-base = Für das Beitragen Ihrer Datensätze
layer-usage = Für Antworten, die auf Ihre Datensätze zurückgriffen
layer-new-data = Für Datensätze, die es vorher nicht gab
layer-value = Für die Verbesserung eines Modells

account-heading = Wie es sich zusammensetzt
account-caption = Ihr Konto beim Topf { $pool }, in { $currency }
account-what = Wofür
account-how = Wie
account-opening = Übertrag von früher
account-weight = Gewicht { $weight } von { $total }, { $share } von { $pot }
account-cap = Änderung durch die Obergrenze für eine Person
account-cap-how = höchstens { $rate } von allem für eine Person
account-gross = Verdient
account-institution = Anteil der Einrichtungen, die Ihre Daten aufbewahren
account-platform = Anteil der Plattform
account-part = { $rate } des Verdienten
account-person = Ihr eigener Anteil
account-adjust = Abgezogen, um auszugleichen, was nicht hätte gezahlt werden sollen
account-adjust-how = { $owed } noch auszugleichen
account-held = Zurückgelegt; es wird mit späteren Abrechnungen Ihres
account-vested = Früher zurückgelegt; es ist jetzt Ihres geworden
account-balance = Auf Ihrem Konto
account-tax = Einbehaltene Steuer
account-tax-how = { $rate } für das Land { $country }
account-tax-unknown = { $rate }; ein Land ist für Sie nicht eingetragen
account-paid = Ihnen ausgezahlt
account-closing = In den nächsten Zeitraum übertragen
account-minimum = Weniger als { $minimum } wird nicht ausgezahlt, sondern übertragen. Ebenso alles, was weniger als die kleinste Münze ist.

uses-heading = Wofür Ihre Datensätze genutzt wurden
uses-caption = Antworten, die auf Ihre Datensätze zurückgriffen; Forschende sahen Summen über mindestens 11 Personen, nie eine Zeile
uses-date = Tag
uses-purpose = Wofür
uses-asker = Wer fragte
uses-dataset = Datenbestand
uses-mine = Ihre Datensätze
uses-counted = Davon bezahlt
uses-all = Alle Datensätze
uses-units = Einheiten
uses-nobody = nicht angegeben
uses-hidden = verborgen
uses-hidden-note = Eine Summe bleibt verborgen, wenn weniger als 11 Personen dahinterstehen.
uses-payer-note = Datensätze, die von der fragenden oder einer mit ihr verbundenen Einrichtung stammen, werden nicht bezahlt: Niemand verdient daran, nach den eigenen Daten zu fragen.
dataset-version = { $dataset }, Version { $version }

records-heading = Ihre Datensätze im Einzelnen
records-none = Keine Version, die diese Abrechnung gelesen hat, enthält Datensätze von Ihnen.
records-caption = Ihre Datensätze in den Versionen, die diese Abrechnung gelesen hat
records-dataset = Datenbestand
records-institution = Einrichtung
records-rows = Zeilen
records-duplicates = Doppelte
records-counted = Gezählt
records-quality = Qualität
records-base = Fürs Beitragen bezahlt
records-yes = ja
records-no = nein: eine neuere Version zählt
records-duplicates-note = Eine Zeile, die nur eine andere wiederholt, zählt einmal, damit Kopieren nichts einbringt.
new-caption = Ihre neuen Datensätze, nach Arten ähnlicher Datensätze
new-new = Neu
new-prior = Vorher vorhanden
new-quality = Qualität
new-counts = Jetzt bezahlt
new-prior-hidden = weniger als 11
new-yes = ja
new-no = noch nicht: zu wenige geprüfte Personen haben solche Datensätze
rejected-caption = Zeilen aller Einrichtungen, die nicht übernommen wurden, für alle Personen zusammen
rejected-dataset = Datenbestand
rejected-reason = Grund
rejected-rows = Zeilen
rejected-hidden = weniger als 11
rejected-note = Eine abgewiesene Zeile sagt womöglich nicht, wessen sie ist. Darum werden abgewiesene Zeilen für alle Personen zusammen gezählt, nicht für Sie allein.
reject-type = Eine Zelle ist nicht vom Typ ihrer Spalte
reject-required = Eine Pflichtzelle ist leer
reject-range = Ein Wert liegt außerhalb des erlaubten Bereichs
reject-code = Ein Code steht nicht auf der Liste der Spalte
reject-length = Eine Zelle ist zu lang
reject-key-duplicate = Ein Schlüssel kommt doppelt vor
reject-foreign-key = Eine Zeile verweist auf eine, die es nicht gibt
reject-columns = Eine Zeile hat zu viele oder zu wenige Zellen

decisions-heading = Entscheidungen zu Ihrem Konto
decisions-caption = Was entschieden wurde, warum, und wo es im öffentlichen Buch steht
decisions-what = Entscheidung
decisions-amount = Betrag
decisions-reason = Grund
decisions-entry = Eintrag im Buch
decision-correct = Berichtigung
decision-exclude-contributor = Ihre Datensätze verdienen vorerst nichts; was Sie vorher verdient haben, bleibt Ihres
decisions-note = Eine Berichtigung wird immer nur von dem abgezogen, was Sie später verdienen. Ausgezahltes und Übertragenes bleibt unberührt.

later-heading = Für Sie zurückgelegt
later-caption = Was Ihres wird, und wann
later-when = Wann
later-amount = Betrag
later-due =
    { $count ->
        [one] mit der nächsten Abrechnung
       *[other] in { $count-text } Abrechnungen
    }

year-heading = Dieses Jahr
year-caption =
    { $count ->
        [one] Die bisher einzige Abrechnung dieses Topfs aus dem Jahr { $year }
       *[other] Die bisher { $count-text } Abrechnungen dieses Topfs aus dem Jahr { $year }
    }
year-what = Summe
year-earned = Ihr eigener Anteil
year-tax = Einbehaltene Steuer
year-paid = Ihnen ausgezahlt

consents-heading = Was Sie entschieden haben
consents-none = Von Ihnen ist keine Entscheidung eingetragen, also wird nichts von Ihnen genutzt.
consents-caption = Ihre Entscheidungen, die neueste zuletzt
consents-decision = Entscheidung
consents-purpose = Wofür
consents-where = Wo
consents-data = Welche Daten
consents-from = Ab
consents-until = Bis
consent-grant = Sie haben erlaubt
consent-withdraw = Sie haben zurückgenommen
consent-opt-out = Sie bleiben jeder solchen Nutzung fern
consent-opt-in = Sie bleiben nicht länger fern
consents-every-purpose = jeder Zweck
consents-all-institutions = alle Einrichtungen
consents-all-data = alle Arten von Daten
consents-open = bis Sie Nein sagen
consents-now-stands = Nach Ihren Entscheidungen dürfen Ihre Datensätze für das genutzt werden, was Sie erlaubt haben.
consents-now-withdrawn = Nach Ihren Entscheidungen werden Ihre Datensätze in keiner neuen Version genutzt.
consents-withdraw = Sie können Ihre Meinung jederzeit ändern, ohne Grund und ohne Kosten: Sagen Sie es einer Ihrer Einrichtungen, oder die Verwaltung führt für Sie diesen Befehl aus. Jede Version, die nach diesem Tag entsteht, entsteht ohne Sie. Was Sie bis dahin verdient haben, bleibt Ihres.

releases-heading = Wo Ihre Datensätze sind
releases-caption = Versionen von Datenbeständen
releases-version = Version
releases-state = Sie sind
releases-rows = Ihre Zeilen
releases-in = darin
releases-out = nicht darin
releases-note = Eine Version, die Sie enthält, entstand, solange Sie einwilligten, und lässt sich nicht zurückrufen. Jede, die nach einem Widerruf entsteht, lässt Sie aus.

dispute-heading = Wenn etwas nicht stimmt
dispute-text = Sagen Sie es der Verwaltung bis zum { $date } (innerhalb von { $days } Tagen nach der Abrechnung), und nennen Sie Topf, Zeitraum und was nicht stimmt. Beweisen müssen Sie es nicht: Die Verwaltung muss zeigen, wie der Betrag zustande kam. Ein Fehler wird mit der nächsten Abrechnung berichtigt.

check-heading = Prüfen Sie selbst
check-text = Niemand muss uns das glauben. Die Beträge folgen nach einer veröffentlichten Regel aus aufgezeichneten Eingaben, und ein Fingerabdruck dieser Abrechnung steht in einem öffentlichen Buch, das niemand unbemerkt ändern kann. Es nennt niemanden. Dieser Befehl rechnet alles noch einmal nach:
check-rules = Regelwerk
check-rules-value = { $name }, Version { $version }
check-method = Verfahren
check-rules-digest = Prüfsumme des Regelwerks
check-inputs = Prüfsumme der Eingaben
check-lines = Prüfsumme aller Zeilen
check-entry = Eintrag im öffentlichen Buch
check-title = Woraus die Beträge berechnet wurden
proof-title = Der Beweis
proof-text = Dies ist Zeile { $line } von { $lines }. Verrechnen Sie ihr Blatt nacheinander mit den Prüfsummen des Pfads, so kommt die Wurzel heraus, die das öffentliche Buch nennt.
proof-line = Zeile
proof-token = Kennung
proof-salt = Salz
proof-leaf = Blatt
proof-path = Pfad
proof-root = Wurzel

# Was eine Absicherung gezahlt hat
cover-title = Was Ihre Absicherung gezahlt hat
cover-lead = Police { $policy } von { $insurer }, für das, was vom { $from } bis zum { $until } geschieht. Mitglied { $member }.
cover-foot = Zahlungen der Police { $policy }. Vertraulich: nur für Sie.
cover-hero-nothing = Bisher wurde Ihnen nichts gezahlt.
cover-hero-paid =
    { $count ->
        [one] an Sie gezahlt, für ein Ereignis. Sie mussten nichts beantragen.
       *[other] an Sie gezahlt, für { $count-text } Ereignisse. Sie mussten nichts beantragen.
    }
cover-how-insurance = Sie müssen nichts beantragen und nichts beweisen. Zeigen Ihre Daten, wofür die Police zahlt, so zahlt sie { $sum } von selbst.
cover-how-incentive = Zeigen Ihre Daten, dass Sie getan haben, was die Police belohnt, so zahlt sie { $sum } von selbst.
cover-once = Jedes Ereignis wird einmal bezahlt, auch wenn zwei Einrichtungen es melden oder derselbe Eintrag noch einmal kommt.
cover-events-heading = Was Ihre Daten gezeigt haben
cover-caption = Ereignisse und was daraus wurde, in { $currency }
cover-day = Tag
cover-event = Ereignis
cover-institution = Gemeldet von
cover-outcome = Was daraus wurde
cover-owed = Geschuldet
cover-kept = Einbehalten
cover-paid = Gezahlt
cover-state = Wo das Geld ist
cover-outcome-paid = stand Ihnen zu, einmal bezahlt
cover-outcome-recovered = stand Ihnen zu, weniger das Einbehaltene
cover-outcome-flagged = stand Ihnen doch nicht zu: der Eintrag wurde zurückgenommen
cover-outcome-waiting = steht Ihnen zu, sobald der Versicherer das Geld eingezahlt hat
cover-outcome-cap-person = nichts weiter: Sie haben alles, was eine Person bekommt
cover-outcome-cap-policy = nichts weiter: die Police hat alles gezahlt, was sie zahlt
cover-outcome-known = schon bekannt und einmal bezahlt
cover-outcome-twice = stand Ihnen doch nicht zu: es wurde unter zwei Ihrer Nummern bezahlt
cover-outcome-taken-back = von der Einrichtung zurückgenommen; es zählt nicht
cover-state-open = noch nicht überwiesen
cover-state-ordered = unterwegs zu Ihrem Konto
cover-state-booked = auf Ihr Konto überwiesen
cover-recovery-heading = Wenn etwas gezahlt wurde, das Ihnen nicht zustand
cover-recovery-why = Eine Einrichtung hat einen Eintrag zurückgenommen, auf den hin gezahlt worden war. Sie haben nichts falsch gemacht, und niemand fordert das Geld zurück. Es wird nur von späteren Zahlungen derselben Police einbehalten; gibt es keine, bleibt es Ihnen.
cover-recovery-left = Von späteren Zahlungen noch einzubehalten: { $amount }.
cover-recovery-done = Alles wurde einbehalten. Nichts ist offen.
cover-consent-heading = Ihre Einwilligung
cover-consent-text = Ihre Daten wurden dafür angesehen, weil Sie es erlaubt haben: { $purpose }. Sie können es sich jederzeit anders überlegen, ohne Grund. Von da an werden sie dafür nicht mehr angesehen, und es wird nichts mehr gezahlt. Was gezahlt wurde, bleibt Ihnen. Sagen Sie es einer Ihrer Einrichtungen, oder die Verwaltung führt für Sie diesen Befehl aus.
cover-check-text = Niemand muss uns das glauben. Ein Fingerabdruck jeder dieser Zeilen steht in einem öffentlichen Buch, das sich nicht unbemerkt ändern lässt. Er nennt niemanden, und niemand liest daraus, was Sie hatten. Dieser Befehl gibt Ihnen den Beweis Ihrer Zeilen:
cover-proof-title = Die Zeile vom { $day }
cover-evidence = Fingerabdruck des Eintrags

# Warum dieser Betrag
explain-title = Warum { $amount }?
explain-answer-paid = Für { $period } zahlt Ihnen der Topf { $pool } { $paid } aus. So kommt der Betrag Schritt für Schritt zustande.
explain-answer-nothing = Für { $period } zahlt Ihnen der Topf { $pool } noch nichts aus und überträgt { $carried } für Sie. So kommt der Betrag Schritt für Schritt zustande.
explain-money = Der Topf erhielt für diesen Zeitraum { $received }, und { $returned } waren von früher übrig. Das Entgelt der Plattform ist { $rate } des neuen Geldes, { $fee }. { $reserve } davon werden in Reserve gehalten. Damit bleiben { $given } für die Beitragenden.
explain-layer-base = { $rate } davon, { $pot }, sind fürs Beitragen. Es zählt die Zahl Ihrer Datensätze mal deren Qualität. Bei Ihnen ergibt das { $weight }, bei allen zusammen { $total }: Sie haben { $share }. Das bringt Ihnen { $amount }.
explain-layer-usage = { $rate } davon, { $pot }, sind für die Nutzung. Jede bezahlte Frage verteilt Anteilseinheiten über die Datensätze, auf die ihre Antwort zurückgriff. Sie bekamen { $weight } von { $total } Einheiten: { $share }. Das bringt Ihnen { $amount }.
explain-layer-new-data = { $rate } davon, { $pot }, sind für Datensätze, die es vorher nicht gab. Je seltener solche Datensätze sind, desto mehr zählt einer, sobald mehr als eine geprüfte Person welche hat. Bei Ihnen ergibt das { $weight }, bei allen zusammen { $total }: Sie haben { $share }. Das bringt Ihnen { $amount }.
explain-layer-value = { $rate } davon, { $pot }, sind für die Verbesserung eines Modells, nach Werten, die vorher berechnet und aufgezeichnet wurden. Bei Ihnen ergibt das { $weight }, bei allen zusammen { $total }: Sie haben { $share }. Das bringt Ihnen { $amount }.
explain-cap-less = Niemand bekommt mehr als { $rate } von allem. Das zieht { $change } ab; verdient haben Sie also { $gross }.
explain-cap-more = Niemand bekommt mehr als { $rate } von allem. Was andere deshalb nicht bekommen konnten, bringt Ihnen { $change } dazu; verdient haben Sie also { $gross }.
explain-cap-none = Niemand bekommt mehr als { $rate } von allem. Sie liegen darunter, also ändert das nichts: Verdient haben Sie { $gross }.
explain-gross = Zusammen haben Sie { $gross } verdient.
explain-split = Von dem, was Sie verdient haben, sind { $person-rate } Ihr eigener Anteil, { $person }. { $institution } gehen an die Einrichtungen, die Ihre Daten aufbewahren, und { $platform } an die Plattform.
explain-adjust = { $amount } werden von Ihrem eigenen Anteil abgezogen, weil eine frühere Zahlung nicht hätte geleistet werden sollen: { $reason }. { $owed } sind noch auszugleichen. Nichts, was Ihnen ausgezahlt wurde, wird zurückverlangt.
explain-held = { $held } Ihres eigenen Anteils werden zurückgelegt und mit späteren Abrechnungen Ihres.
explain-vested = { $vested }, die früher zurückgelegt wurden, sind jetzt Ihres geworden.
explain-account = Von früher haben Sie { $opening } mitgebracht. Damit sind { $balance } auf Ihrem Konto.
explain-payable = Ganze Münzen werden ausgezahlt, sobald sie { $minimum } oder mehr ergeben. Das sind { $payable }.
explain-unpaid = Ganze Münzen werden ausgezahlt, sobald sie { $minimum } oder mehr ergeben. So viel ist auf Ihrem Konto noch nicht; darum wird nichts ausgezahlt, und nichts geht verloren.
explain-tax = { $rate } davon, { $tax }, werden für das Finanzamt einbehalten.
explain-result = Also werden Ihnen { $paid } ausgezahlt, und { $carried } werden in den nächsten Zeitraum übertragen.
explain-check = Alle Zahlen folgen aus aufgezeichneten Eingaben. Mit { $command } lassen sie sich noch einmal nachrechnen. Wenn etwas nicht stimmt, sagen Sie es der Verwaltung bis zum { $date }.
explain-adjust-earlier = eine Entscheidung, die eine frühere Abrechnung nennt

# Der Risikobericht
risk-title = Was man aus { $name } erfahren könnte
risk-lead = Wie wahrscheinlich jemand erkannt wird, was man dann erführe, und wozu die Daten noch taugen. Bevölkerung: { $population }, { $people } Menschen.
risk-json = Für Programme
risk-hero = 1 zu { $class-text }
risk-hero-means = ist die höchste Aussicht, dass jemand, der alles weiß, was man von einem Menschen wissen kann, dessen Datensatz herausgreift.
risk-unsigned = Noch hat niemand darüber befunden: die Zahlen allein entscheiden nichts.
risk-signed = { $by } hat am { $time } festgestellt, dass das Risiko sehr klein ist.
risk-key = Schlüssel
risk-entry = Eintrag im öffentlichen Buch
risk-tests = Drei Fragen der Datenschutzbehörden
risk-tests-lead = Gestellt in der Stellungnahme 05/2014 der Artikel-29-Gruppe. Wo die Zahlen allein nicht antworten, antwortet die sachverständige Person.
risk-test = Frage
risk-asks = In Worten
risk-answer = Antwort
risk-because = Weil
risk-holds = nein
risk-judge = zu beurteilen
risk-fails = ja
risk-singling = Herausgreifen
risk-singling-asks = Lässt sich ein Mensch aus den Daten herausgreifen?
risk-singling-holds = Alle teilen das, was andere von ihnen wissen können, mit mindestens so vielen Menschen wie zugesagt.
risk-singling-fails = Jemand teilt das, was andere wissen können, mit weniger Menschen als zugesagt.
risk-linking = Verknüpfen
risk-linking-asks = Lässt sich erkennen, dass zwei Datensätze von einem Menschen sind?
risk-linking-judge = Innerhalb dieser Fassung haben die Zeilen eines Menschen ein gemeinsames Pseudonym, damit man sie erforschen kann; keine andere Fassung hat dasselbe. Ob sich andere Daten verknüpfen ließen, ist zu beurteilen.
risk-linking-fails = Datensätze, die allein stehen, passen zu jeder anderen Liste mit denselben Spalten.
risk-inference = Schließen
risk-inference-asks = Lässt sich Neues über einen Menschen folgern?
risk-inference-holds = Unter Menschen, die sich gleichen, unterscheiden sich heikle Werte fast so sehr wie in der ganzen Tabelle.
risk-inference-judge = Entweder ist keine Spalte als heikel benannt, oder wer sich gleicht, hat einander ähnlichere heikle Werte als die ganze Tabelle.
risk-inference-fails = Unter manchen Menschen, die sich gleichen, haben alle denselben heiklen Wert: wer als einer von ihnen bekannt ist, hat ihn.
risk-table = Tabelle { $table }
risk-rows = { $rows } Zeilen; { $left } wurden weggelassen, weil zu wenige Menschen ihnen gleichen.
risk-no-quasi = Keine ihrer Spalten gilt als anderen bekannt.
risk-quasi = Gilt als anderen bekannt: { $columns }.
risk-figures = Wie wahrscheinlich jemand erkannt wird
risk-figure = Kennzahl
risk-before = vorher
risk-after = nachher
risk-means = Was sie bedeutet
risk-smallest = Kleinste Klasse
risk-smallest-means = So viele Menschen mindestens gleichen sich in dem, was andere wissen können.
risk-highest = Höchstes Risiko (Ankläger)
risk-highest-means = Die Aussicht, den Datensatz des am leichtesten zu findenden Menschen richtig zu greifen, für jemanden, der weiß, dass dieser in den Daten ist.
risk-over = Anteil über der Schwelle
risk-over-means = Der Anteil der Menschen, die mit einer Aussicht über eins zu fünf gegriffen würden.
risk-average = Mittleres Risiko
risk-average-means = Die Aussicht, den Datensatz eines zufälligen Menschen richtig zu greifen.
risk-journalist = Höchstes Risiko (Journalist)
risk-journalist-means = Dasselbe für jemanden, der nicht weiß, ob der Mensch in den Daten ist; ohne Register der Bevölkerung gilt es als ebenso hoch.
risk-marketer = Zugeordnet (Werbung)
risk-marketer-means = Der Anteil der Datensätze, die jemand richtig rät, der für alle rät.
risk-alone = Allein in den Daten
risk-alone-means = Der Anteil der Menschen, mit denen niemand in den Daten teilt, was andere wissen können.
risk-population = Allein in der Bevölkerung
risk-population-means = Der Anteil aller Menschen der Bevölkerung, mit denen es niemand teilt, nach dem Modell, das zur Größe der Stichprobe passt (Dankar und andere).
risk-model-means = Dasselbe nach einem Modell.
risk-unknown = nicht bekannt
risk-unsolved = keine Lösung
risk-under = unter { $most }
risk-minimal = Wer durch wenige Spalten auffällt
risk-minimal-found = { $records } Menschen sind durch höchstens { $most } Spalten herauszugreifen.
risk-minimal-chart = Spalten, die am Herausgreifen teilhaben, nach ihrem Anteil an der Wertung
risk-sensitive = Was Menschen, die sich gleichen, preisgäben
risk-sensitive-lead = Die schlechteste Klasse jedes Maßes. Ein l von 3 heißt: wer als Mitglied der Klasse bekannt ist, kann jeden von drei Werten haben. Ein t von 0 heißt: die Klasse verrät nicht mehr als die ganze Tabelle.
risk-column = Spalte
risk-l = Werte (l)
risk-entropy-l = Entropie-l
risk-c = c von (c, 2)
risk-t = t
risk-certain = Zeilen ohne Zweifel
risk-columns = Was mit jeder Spalte geschah, und was von ihr bleibt
risk-columns-lead = Gleich: der Anteil der Zeilen, deren Werte verteilt sind wie vorher. Wo Werte gröber gesagt werden, zeigen die Bilder beides.
risk-role = Was sie ist
risk-done = Was geschah
risk-alike = Gleich
risk-coarser = gröber gesagt
risk-others = andere, je zu wenige
risk-rests = Worauf die Zahlen ruhen
risk-rests-lead = Wer dieselben Daten, Einstellungen und dasselbe Programm hat, bekommt dieselben Zahlen.
risk-digests = Prüfsummen
risk-generalised = Wie Werte verallgemeinert wurden
risk-run-key = Alles, wovon der Lauf abhängt

selfcheck-heading = Auf dieser Seite geprüft
selfcheck-file = { $count ->
    [one] Diese Seite bringt den Beweis mit, auf dem sie beruht: eine Datei, die weder Standort noch Netz braucht. Speichern Sie sie und prüfen Sie sie mit dem öffentlichen Schlüssel des Buchs, den Sie von jemandem haben, dem Sie trauen:
   *[other] Diese Seite bringt die { $count-text } Beweise mit, auf denen sie beruht: Dateien, die weder Standort noch Netz brauchen. Speichern Sie sie und prüfen Sie sie mit dem öffentlichen Schlüssel des Buchs, den Sie von jemandem haben, dem Sie trauen:
    }
selfcheck-files = { $count ->
    [one] Die Beweisdatei
   *[other] Die { $count-text } Beweisdateien
    }
selfcheck-good = Ihr Browser hat diese Seite geprüft: Alles Folgende stimmt.
selfcheck-bad = Auf dieser Seite stimmt etwas nicht. Verlassen Sie sich nicht auf sie: Heben Sie sie auf und verlangen Sie eine neue.
selfcheck-cannot = Ihr Browser kann diese Seite nicht prüfen: Er kennt Ed25519 hier nicht. Der Befehl oben prüft den Beweis trotzdem.
selfcheck-form = Der Beweis ist lesbar und hat eine Form, die diese Seite kennt.
selfcheck-log = Der Fingerabdruck des Eintrags, hier berechnet, führt zur Wurzel des unterschriebenen Stands des Buchs.
selfcheck-signed = Der unten genannte Schlüssel des Buchs hat diesen Stand unterschrieben.
selfcheck-line = Die Zeile im Beweis ist die, aus der ihr Blatt gemacht wurde.
selfcheck-leaf = Das Blatt steht in dem Baum, dessen Wurzel der Eintrag nennt.
selfcheck-shown-paid = Der Betrag oben auf dieser Seite ist der, den die Zeile als ausgezahlt nennt.
selfcheck-shown-head = Die Wurzel, die diese Seite nennt, ist die, die das Buch unterschrieben hat.
selfcheck-key = Der Schlüssel, den Sie eingegeben haben, ist der, mit dem diese Seite geprüft wurde.
selfcheck-lines = Was der Beweis über die Auszahlung sagt, Wort für Wort (Beträge namens micro sind Millionstel der kleinsten Einheit)
selfcheck-vkey = Geprüft mit diesem Schlüssel des Buchs:
selfcheck-paste = Der Schlüssel des Buchs, von jemandem, dem Sie trauen:
selfcheck-not = Was diese Prüfung nicht zeigt:
selfcheck-not-key = dass der Schlüssel der des Buchs ist: Diese Seite hat ihn mitgebracht. Geben Sie den ein, den Sie von anderswo haben.
selfcheck-not-rest = dass die übrigen Zahlen dieser Seite stimmen oder der Betrag richtig berechnet ist: Die Befehle oben und ein Prüfer rechnen sie nach.
selfcheck-not-audit = dass die Befunde dieser Prüfung stimmen: Die Befehle oben ermitteln sie noch einmal.
selfcheck-not-fork = dass andere dasselbe Buch sehen: Vergleichen Sie den unterschriebenen Stand mit deren, oder verlangen Sie Mitunterschriften von Zeugen.
selfcheck-not-page = dass diese Seite ehrlich ist: Wer eine Seite ändern kann, kann auch ändern, was sie über sich sagt. Der Befehl oben traut der Seite nicht.
