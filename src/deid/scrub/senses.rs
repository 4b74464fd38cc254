//! What the lists know of a word: a set of senses. Comes in: nothing. Goes out: [`Sense`].
//! Never: a sense that lets a word pass by itself, but the three that say when it may.

/// A set of senses of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sense(u32);

impl Sense {
    /// On no list.
    pub(super) const NONE: Self = Self(0);
    /// Harmless however it is written.
    pub(super) const SAFE: Self = Self(1);
    /// Harmless in lower case; with a capital it may be a name.
    pub(super) const LOWER: Self = Self(1 << 1);
    /// Harmless in capitals; otherwise it may be a name.
    pub(super) const UPPER: Self = Self(1 << 2);
    /// A word of grammar: articles, prepositions, pronouns, auxiliaries.
    pub(super) const GRAMMAR: Self = Self(1 << 3);
    /// A unit, or what a number counts.
    pub(super) const UNIT: Self = Self(1 << 4);
    /// A unit of mass or volume: a year is never followed by it.
    pub(super) const DOSE: Self = Self(1 << 5);
    /// A vital sign, a laboratory value, a score.
    pub(super) const LAB: Self = Self(1 << 6);
    /// What is numbered: type 2, stage 4.
    pub(super) const GRADE: Self = Self(1 << 7);
    /// A word that may stand between a laboratory value and its number.
    pub(super) const LINK: Self = Self(1 << 8);
    /// A month.
    pub(super) const MONTH: Self = Self(1 << 9);
    /// A day of the week or of the year.
    pub(super) const DAY: Self = Self(1 << 10);
    /// What stands before a name: Mr, Dr.
    pub(super) const TITLE: Self = Self(1 << 11);
    /// Who is mostly followed by a name: wife, named.
    pub(super) const KIN: Self = Self(1 << 12);
    /// With a colon, what stands after it is a name.
    pub(super) const NAME_LABEL: Self = Self(1 << 13);
    /// With a colon, what stands after it is an address.
    pub(super) const PLACE_LABEL: Self = Self(1 << 14);
    /// After it, a number names somebody or something: MRN, account, room.
    pub(super) const ID_LABEL: Self = Self(1 << 15);
    /// After it stands a telephone number.
    pub(super) const PHONE_LABEL: Self = Self(1 << 16);
    /// The end of a street's name.
    pub(super) const STREET: Self = Self(1 << 17);
    /// The end of an organisation's name.
    pub(super) const BODY: Self = Self(1 << 18);
    /// With `in` or `at`, before a place: lives, born, works.
    pub(super) const DWELLS: Self = Self(1 << 19);
    /// Preposition before a place.
    pub(super) const WHERE: Self = Self(1 << 20);
    /// A ward or a department: no name of an organisation.
    pub(super) const WARD: Self = Self(1 << 21);
    /// A number in words.
    pub(super) const COUNT: Self = Self(1 << 22);
    /// Letters that may follow an apostrophe.
    pub(super) const TAIL: Self = Self(1 << 23);
    /// What says that a number of years is how long ago or for how long.
    pub(super) const SPAN: Self = Self(1 << 24);

    /// Whether it has any sense of another set.
    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The set without another.
    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Both sets.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Words of each sense, folded.
pub(super) const TABLE: &[(&str, Sense)] = &[
    (
        "a an the of and or in on at to do so no is it he we i me my as be by if up us for from \
         with was were are has had have not but she her his him they them their who this that \
         these those will would can could may might must shall should did does been being",
        Sense::GRAMMAR,
    ),
    (
        "mg mcg ug g gm gms gram grams kg kgs kilogram kilograms lb lbs pound pounds oz ounce \
         ounces ml mls cc ccs l liter liters litre litres dl iu units unit meq mmol mmols umol \
         nmol mol kcal milligrams milligram micrograms microgram milliliters milliliter ng pg",
        Sense::UNIT.and(Sense::DOSE),
    ),
    (
        "mmhg bpm percent degrees degree deg cm mm m2 cm2 mm2 m3 inch inches feet foot ft hour \
         hours hr hrs h min mins minute minutes sec secs second seconds day days week weeks wk wks \
         month months mo mos year years yr yrs tablet tablets tab tabs capsule capsules cap caps \
         pill pills puff puffs drop drops gtt gtts time times dose doses pack packs ppd cigarette \
         cigarettes drink drinks beer beers glasses refill refills spray sprays patch patches \
         episode episodes beat beats breath breaths cell cells hpf lpf gauge joules mev kv \
         watt watts suture sutures stitch stitches staple staples step steps stair stairs flight \
         flights block blocks pillow pillows mile miles mph cgy gy sessions session visits visit \
         cycle cycles course courses bottle bottles cup cups teaspoon teaspoons tablespoon \
         tablespoons tsp tbsp vial vials ampule ampules bag bags scoop scoops suppository \
         suppositories lozenge lozenges injection injections lesion lesions stool stools bowel \
         pregnancies deliveries weekly daily hourly nightly monthly x fold mosm mosmol torr atm kpa \
         nodes specimens samples vessels vessel view views lead leads vertebrae fingerbreadths mets \
         lpm fr uln pct",
        Sense::UNIT,
    ),
    (
        "bp hr rr temp temps temperature pulse pulses spo2 o2 o2sat sao2 sat sats saturation \
         saturations weight wt height ht bmi glucose fsbs fsbg fs bs a1c hba1c hgb hb hemoglobin \
         hct hematocrit wbc rbc plt plts platelets platelet na sodium k potassium cl chloride co2 \
         hco3 bicarb bicarbonate bun cr creatinine creat ca calcium mg magnesium phos phosphate \
         phosphorus inr pt ptt aptt ast alt alkp alp ggt bili bilirubin tbili albumin protein trop \
         troponin troponins ck ckmb bnp probnp ntprobnp ldl hdl vldl cholesterol tg triglycerides \
         tsh t3 t4 psa crp esr lactate ph pco2 paco2 po2 pao2 ef lvef gfr egfr gcs apgar apgars \
         score scores ferritin iron tibc b12 folate uric amylase lipase ammonia lithium digoxin \
         vancomycin trough peak mcv mch mchc rdw anc neutrophils lymphocytes monocytes eosinophils \
         basophils neuts lymphs monos eos osm osmolality gap anion fio2 peep tidal map cvp pcwp \
         fev1 fvc dlco hcg bhcg afp cea cd4 vl load vas nih nihss mmse moca phq9 gad7 phq rate \
         pressure respirations resp tmax tcurrent vitals uo urine output intake balance specific \
         gravity sg cortisol acth ldh d-dimer ddimer fibrinogen procalcitonin ejection fraction \
         size measures measuring pain count index counts",
        Sense::LAB,
    ),
    (
        "type grade stage class gravida para day pod hd phase week weeks trimester category cat \
         degree factor tanner asa nyha killip gleason fr size number lobe segment level \
         levels g p t v lead leads cn nerve nerves mallampati child bethesda birads times x q",
        Sense::GRADE,
    ),
    (
        "is was of at to level levels count counts today now up down from about around \
         approximately approx currently current in the low high normal equals were are at stable \
         improved elevated with on and goal max min peak trough initial repeat last latest rate \
         range between by for been had remained readings admission arrival \
         presentation",
        Sense::LINK,
    ),
    (
        "january february march april may june july august september october november december \
         jan feb mar apr jun jul aug sep sept oct nov dec enero febrero marzo abril mayo junio \
         julio agosto septiembre octubre noviembre diciembre januar februar marz mai juni juli \
         oktober dezember janvier fevrier avril juin juillet aout septembre octobre novembre \
         decembre",
        Sense::MONTH,
    ),
    (
        "monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays \
         thursdays fridays saturdays sundays tues thurs thur christmas xmas easter thanksgiving \
         halloween ramadan hanukkah passover diwali",
        Sense::DAY,
    ),
    (
        "mr mrs ms miss dr drs doctor prof professor rev reverend sir madam mme mlle sr sra",
        Sense::TITLE,
    ),
    (
        "wife husband son daughter mother father mom dad mum sister brother aunt uncle cousin \
         grandmother grandfather grandson granddaughter grandma grandpa partner friend neighbor \
         neighbour spouse niece nephew fiance fiancee roommate boyfriend girlfriend stepfather \
         stepmother named called nickname nicknamed aka alias cosigned signed dictated guardian \
         nurse physician surgeon caregiver",
        Sense::KIN,
    ),
    (
        "name names surname forename firstname lastname attending provider physician surgeon nurse \
         author dictated signed cosigned transcribed referring pcp contact nok kin guardian proxy \
         interviewer consultant resident anesthetist anesthesiologist assistant dictator signature \
         by employer",
        Sense::NAME_LABEL,
    ),
    (
        "address addresses street city town county village residence birthplace employer facility \
         zip postcode",
        Sense::PLACE_LABEL,
    ),
    (
        "mrn mr# id ids ssn acct account record number no num nr dob case policy plate licence \
         license passport member beneficiary serial vin lot device model npi dea claim accession \
         order encounter visit# zip box apt suite room bed rm unit# chart file ref reference \
         invoice group subscriber insurance medicare medicaid identifier identification code codes \
         pin extension ext hospital#",
        Sense::ID_LABEL,
    ),
    (
        "phone phones telephone tel fax mobile cell cellphone pager beeper ph# call called callback \
         contact reached text texted voicemail",
        Sense::PHONE_LABEL,
    ),
    (
        "street st avenue ave av road rd boulevard blvd lane ln drive dr court ct place pl terrace \
         ter parkway pkwy highway hwy square sq circle cir way trail crescent close alley row walk \
         route rte plaza heights mews",
        Sense::STREET,
    ),
    (
        "hospital hospitals clinic clinics center centre university college school church hospice \
         infirmary memorial nursing manor foundation institute rehab rehabilitation pharmacy \
         laboratories company inc llc corp corporation ltd gmbh bank",
        Sense::BODY,
    ),
    (
        "lives living lived live resides residing resided reside born moved moving works working \
         worked work employed attends attended visiting visited traveled travelled traveling \
         travelling raised grew staying stays emigrated immigrated returned transferred hails native \
         resident originally vacation vacationing trip flew",
        Sense::DWELLS,
    ),
    ("in at to from for near of outside with by", Sense::WHERE),
    (
        "the our this that a an emergency local outside medical outpatient inpatient pain primary \
         care wound health day surgical surgery urgent children rehabilitation rehab cancer heart \
         eye dental skilled nursing acute long term trauma burn sleep diabetes cardiology oncology \
         anticoagulation patient same transfer birth referring during in at to from and of her his \
         regional general community county skin transplant stroke dialysis infusion breast fertility \
         memory travel vascular psychiatric mental retail mail call per by contact assisted \
         presenting discharged prior brief initial post pre previous current planned repeat past \
         private public home preferred",
        Sense::WARD,
    ),
    (
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen \
         sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety \
         hundred",
        Sense::COUNT,
    ),
    ("s t d ll re ve m", Sense::TAIL),
    (
        "for x over past last of in every within after before ago history hx duration prior earlier \
         later since during until follow recheck each per about approximately nearly almost next \
         between another additional",
        Sense::SPAN,
    ),
];
