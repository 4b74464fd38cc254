//! The sentences that notes are made of, and how a note is put together.
//!
//! Comes in: a patient and draws. Goes out: a text and the spans in it that must go, by characters.
//! Never: a span that writing all in capitals or breaking a line has moved.

use super::{Patient, slots};
use crate::{deid::scrub::GoldSpan, population::dice::Dice};

const HEADS: &[&str] = &[
    "Patient Name: {name}\nMRN: {mrn}\nDOB: {date}\nDate of visit: {date}\n\n",
    "NAME: {name}   MRN: {mrn}\nAttending: {doctor}\n\n",
    "Discharge Summary\nAdmitted: {date}  Discharged: {date}\nPatient: {name}\nSSN: {ssn}\n\n",
    "RE: {name}, DOB {date}\nAddress: {address}, {city} {zip4}\nPhone: {own_phone}\n\n",
    "Progress note {date} {time}\n\n",
    "Nursing note, {day}\n\n",
    "",
];

const TELLING: &[&str] = &[
    "{mr} is a {age}-year-old {sex} who presents with chest pain.",
    "{name} was seen in clinic on {date} for follow up of diabetes.",
    "{first} reports that symptoms began on {day}.",
    "The patient lives in {city} at {address}.",
    "The patient's {kin} was at the bedside and can be reached at {phone}.",
    "Discussed with {doctor}, who agrees with the plan.",
    "Transferred from {hospital} on {date}.",
    "{mr} was admitted to {hospital} in {year} for pneumonia.",
    "Please call {phone} with any questions.",
    "Results were sent to {email} on {weekday}.",
    "Follow up with {doctor} on {day} at {time}.",
    "Last seen by {doctor} on {date}.",
    "The patient moved here from {town} in {year}.",
    "{last}'s pain has improved since {weekday}.",
    "Records are at {url} and the device answers at {ip}.",
    "Insurance number {code}, account {iban}.",
    "Works at {employer} and drinks two beers a week.",
    "Social security number {ssn} was verified with the patient.",
    "Mail to {address}, {city}, {zip}.",
    "Electronically signed by {signed} on {date}.",
    "I spoke with {first} and the {kin} about the risks of surgery.",
    "Mother died in {year} of breast cancer.",
    "Colonoscopy on {date} was normal.",
    "{name} is allergic to penicillin.",
    "The {age} year old {sex} was brought in by ambulance at {time}.",
    "Pacemaker serial number {code} was checked on {day}.",
];

const CLINICAL: &[&str] = &[
    "Denies fever, chills, nausea, vomiting or shortness of breath.",
    "Blood pressure 132/84, heart rate 76, temperature 98.6, oxygen saturation 97% on room air.",
    "BP 118/72, HR 64, RR 16, SpO2 99%.",
    "Lungs are clear to auscultation bilaterally, no wheezes or crackles.",
    "Heart has a regular rate and rhythm without murmurs.",
    "Abdomen is soft, nontender, with normal bowel sounds.",
    "Continue metformin 500 mg twice daily and lisinopril 10 mg daily.",
    "Start atorvastatin 40 mg at bedtime.",
    "Hemoglobin A1c was 7.8, down from 8.4.",
    "Creatinine 1.2, potassium 4.1, sodium 138.",
    "Glucose of 245 on admission, improved to 132 after insulin.",
    "White blood cell count 12.3, hemoglobin 9.8, platelets 210.",
    "Chest x-ray shows no acute infiltrate or effusion.",
    "CT of the abdomen showed mild diverticulosis without diverticulitis.",
    "The wound is healing well, without redness or drainage.",
    "Pain is rated 4/10 and is worse with movement.",
    "Strength is 5/5 in all extremities and sensation is intact.",
    "Patient was given 2 liters of normal saline and ondansetron 4 mg.",
    "Will follow up in 2 weeks or sooner if symptoms worsen.",
    "Type 2 diabetes mellitus with neuropathy, not well controlled.",
    "Chronic kidney disease stage 3, stable.",
    "Hypertension, well controlled on current medications.",
    "History of asthma, uses albuterol inhaler every 4 hours as needed.",
    "Quit smoking 10 years ago after a 20 pack year history.",
    "Physical therapy was consulted for gait training.",
    "Encouraged diet and exercise, and weight loss of 5 to 10 pounds.",
    "The patient may need oxygen at home.",
    "Echocardiogram showed an ejection fraction of 55%.",
    "EKG with normal sinus rhythm and no ST changes.",
    "Warfarin was held for 3 days before the procedure.",
    "No known drug allergies.",
    "Edema of both lower legs, worse at the end of the day.",
    "The rash is on the left forearm and measures 2 x 3 cm.",
    "Urinalysis was negative for nitrites and leukocyte esterase.",
    "Take one tablet by mouth every 6 hours for 7 days.",
    "Review of systems is otherwise negative.",
    "Assessment and plan were discussed with the patient, who understands and agrees.",
    "Family history is notable for coronary artery disease and stroke.",
    "Cranial nerves are intact and reflexes are symmetric.",
    "The patient was discharged home in stable condition.",
    "Weight 82.5 kg, height 172 cm, body mass index 27.9.",
    "Ibuprofen 600mg q6h as needed for pain.",
    "Biopsy of the left breast showed invasive ductal carcinoma, grade 2.",
    "Completed 4 cycles of chemotherapy without complications.",
    "Mood is depressed, affect is flat, and there is no suicidal ideation.",
    "Sleep is poor and appetite is reduced.",
    "Fell at home and hit the right hip; no loss of consciousness.",
    "X-ray of the right hip shows a fracture of the femoral neck.",
    "Troponin was negative twice, and the pain resolved with nitroglycerin.",
    "Vaccines are up to date, including influenza and pneumococcal.",
    "Her knee pain is worse when climbing stairs and better with rest.",
    "Stool was positive for occult blood; colonoscopy is planned.",
    "Tolerating a regular diet and walking without help.",
    "Foley catheter was removed and urine output is adequate.",
    "Skin is warm and dry, with good capillary refill.",
    "There is no evidence of deep vein thrombosis on ultrasound.",
    "Levothyroxine was increased to 88 mcg daily, and TSH will be checked in 6 weeks.",
    "He has numbness and tingling in both feet.",
    "She is in no acute distress, alert and oriented x3.",
    "Pupils are equal, round and reactive to light.",
];

/// Puts a note together.
pub(super) fn note(dice: &mut Dice, patient: &Patient) -> (String, Vec<GoldSpan>) {
    let mut written = Written::default();
    written.sentence(dice.pick(HEADS), dice, patient);
    let (telling, clinical) = (dice.between(2, 5), dice.between(8, 16));
    let mut left = (telling, clinical);
    while left.0 + left.1 > 0 {
        let share = u64::try_from(left.0 * 1_000_000 / (left.0 + left.1)).unwrap_or(0);
        let (sentences, own) =
            if dice.chance(share) { (TELLING, &mut left.0) } else { (CLINICAL, &mut left.1) };
        *own -= 1;
        written.sentence(dice.pick(sentences), dice, patient);
        let end = if dice.chance(200_000) { "\n" } else { " " };
        written.signs.extend(end.chars());
    }
    while written.signs.last().is_some_and(|sign| sign.is_whitespace()) {
        written.signs.pop();
    }
    match dice.below(10) {
        0 => written.recase(char::to_uppercase),
        1 => written.recase(char::to_lowercase),
        2..=5 => written.wrap(dice.between(48, 80)),
        _ => {}
    }
    (written.signs.into_iter().collect(), written.spans)
}

#[derive(Default)]
struct Written {
    signs: Vec<char>,
    spans: Vec<GoldSpan>,
}

impl Written {
    /// Writes a sentence, its slots in braces filled.
    fn sentence(&mut self, sentence: &str, dice: &mut Dice, patient: &Patient) {
        let mut rest = sentence;
        while let Some((before, after)) = rest.split_once('{') {
            self.signs.extend(before.chars());
            let (slot, after) = after.split_once('}').unwrap_or((after, ""));
            if slot == "sex" {
                let word = if patient.sex == "F" { "woman" } else { "man" };
                self.signs.extend(word.chars());
            }
            for (text, class) in slots::fill(slot, dice, patient) {
                let start = self.signs.len();
                self.signs.extend(text.chars());
                if let Some(class) = class {
                    self.spans.push(GoldSpan { start, end: self.signs.len(), class });
                }
            }
            rest = after;
        }
        self.signs.extend(rest.chars());
    }

    /// Writes all of it in another case, letters that would become two left as they are.
    fn recase<I: Iterator<Item = char>>(&mut self, case: impl Fn(char) -> I) {
        for sign in &mut self.signs {
            let mut cased = case(*sign);
            if let (Some(one), None) = (cased.next(), cased.next()) {
                *sign = one;
            }
        }
    }

    /// Breaks lines at blanks, as a printer does that knows nothing of names.
    fn wrap(&mut self, width: i64) {
        let mut column = 0;
        for sign in &mut self.signs {
            column += 1;
            if *sign == '\n' {
                column = 0;
            } else if *sign == ' ' && column >= width {
                *sign = '\n';
                column = 0;
            }
        }
    }
}
