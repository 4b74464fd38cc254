//! Records of like quasi-identifiers, kept as one: the classes of a node, or the finer groups that the
//! classes of a node above are made of.
//!
//! Comes in: a table's keys, or groups and a mask. Goes out: groups, in order of first appearance.
//! Never: the rows again; what a class is judged by is carried along.

#![expect(
    clippy::indexing_slicing,
    reason = "the innermost loops; places come from the lists' lengths"
)]

use super::{
    Table,
    keys::{Key, Layout, place},
};

/// Groups of records, side by side.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups<K> {
    /// What each group's records have in common.
    pub(super) keys: Vec<K>,
    /// Released records of each.
    pub(super) rows: Vec<u32>,
    /// Records of each, released or not; empty where all are released.
    pub(super) people: Vec<u32>,
    /// The first row of each; empty where no model asks for it.
    pub(super) first: Vec<u32>,
    /// For each sensitive attribute the values of each group; no attribute where no model asks.
    pub(super) values: Vec<Values>,
}

/// How often each sensitive value occurs in each group, only those that do.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    /// Where each group's values end.
    ends: Vec<u32>,
    /// Values in ascending order with their records.
    counts: Vec<(u32, u32)>,
}

/// What is carried along with each group besides its rows.
#[derive(Debug, Clone)]
pub(super) struct Carried {
    /// Whether the first row of a group is asked for.
    pub(super) first: bool,
    /// Whether a sensitive attribute is asked for; empty where none is.
    pub(super) sensitive: Vec<bool>,
}

/// One class, put together from groups.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub(super) rows: u32,
    pub(super) people: u32,
    pub(super) first: u32,
    /// Its values by attribute.
    pub(super) values: Vec<Vec<(u32, u32)>>,
    /// How often each value was seen, zeros between uses.
    seen: Vec<u32>,
}

impl<K: Key> Groups<K> {
    /// Puts the rows of a table together that are alike.
    pub(super) fn of(table: &Table, layout: &Layout, carried: &Carried) -> Self {
        let mut keys = vec![K::default(); table.rows];
        for (column, quasi) in table.quasi.iter().enumerate() {
            let bits: Vec<K> = layout.keys(column);
            for (key, leaf) in keys.iter_mut().zip(&quasi.codes) {
                *key = key.or(bits[place(*leaf)]);
            }
        }
        let mut numbering = Numbering::default();
        let group_of: Vec<u32> = keys
            .iter()
            .enumerate()
            .map(|(row, key)| numbering.add(*key, u32::from(table.is_released(row))))
            .collect();
        drop(keys);
        let (keys, rows) = numbering.entries.into_iter().unzip::<_, _, Vec<K>, Vec<u32>>();
        let mut groups = Self { keys, rows, ..Self::default() };
        if table.released.is_some() {
            groups.people = vec![0; groups.len()];
            for group in &group_of {
                groups.people[place(*group)] += 1;
            }
        }
        if carried.first {
            groups.first = vec![u32::MAX; groups.len()];
            for (row, group) in group_of.iter().enumerate() {
                if table.is_released(row) {
                    let first = &mut groups.first[place(*group)];
                    *first = number(row).min(*first);
                }
            }
        }
        groups.values = carried
            .sensitive
            .iter()
            .zip(&table.sensitive)
            .map(|(asked, sensitive)| {
                if !asked {
                    return Values::default();
                }
                Values::of_rows(table, &groups.rows, &group_of, &sensitive.codes)
            })
            .collect();
        groups
    }

    /// Returns groups that carry the same as these, but none yet.
    pub(super) fn none(&self, room: usize) -> Self {
        let carried = |list: &Vec<u32>| Vec::with_capacity(if list.is_empty() { 0 } else { room });
        Self {
            keys: Vec::with_capacity(room),
            rows: Vec::with_capacity(room),
            people: carried(&self.people),
            first: carried(&self.first),
            values: vec![Values::default(); self.values.len()],
        }
    }

    /// Returns how many groups there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Tells whether only keys and rows are carried along.
    pub(super) fn carries_rows_alone(&self) -> bool {
        self.people.is_empty() && self.first.is_empty() && self.values.is_empty()
    }

    /// Returns what they take in memory.
    pub(super) fn bytes(&self) -> usize {
        let values =
            self.values.iter().map(|values| values.ends.len() * 4 + values.counts.len() * 8);
        self.len() * (size_of::<K>() + 4)
            + (self.people.len() + self.first.len()) * 4
            + values.sum::<usize>()
    }

    /// Puts some groups together as one.
    pub(super) fn merge(&self, members: &[u32], merged: &mut Merged) {
        (merged.rows, merged.people, merged.first) = (0, 0, u32::MAX);
        for member in members {
            let member = place(*member);
            merged.rows += self.rows[member];
            merged.people += self.people.get(member).unwrap_or(&self.rows[member]);
            merged.first = merged.first.min(self.first.get(member).copied().unwrap_or(u32::MAX));
        }
        merged.values.resize_with(self.values.len(), Vec::new);
        for (values, into) in self.values.iter().zip(&mut merged.values) {
            into.clear();
            if let [member] = members {
                into.extend_from_slice(values.of_group(place(*member)));
                continue;
            }
            for member in members {
                for (value, rows) in values.of_group(place(*member)) {
                    let value_place = place(*value);
                    if value_place >= merged.seen.len() {
                        merged.seen.resize(value_place + 1, 0);
                    }
                    if merged.seen[value_place] == 0 {
                        into.push((*value, 0));
                    }
                    merged.seen[value_place] += rows;
                }
            }
            into.sort_unstable();
            for (value, rows) in into {
                *rows = std::mem::take(&mut merged.seen[place(*value)]);
            }
        }
    }

    /// Adds a group.
    pub(super) fn push(&mut self, key: K, merged: &Merged, of: &Self) {
        self.keys.push(key);
        self.rows.push(merged.rows);
        if !of.people.is_empty() {
            self.people.push(merged.people);
        }
        if !of.first.is_empty() {
            self.first.push(merged.first);
        }
        for (values, merged) in self.values.iter_mut().zip(&merged.values) {
            values.counts.extend_from_slice(merged);
            values.ends.push(number(values.counts.len()));
        }
    }

    /// Gives back the room that was not needed.
    pub(super) fn shrink(&mut self) {
        self.keys.shrink_to_fit();
        self.rows.shrink_to_fit();
        self.people.shrink_to_fit();
        self.first.shrink_to_fit();
        for values in &mut self.values {
            values.ends.shrink_to_fit();
            values.counts.shrink_to_fit();
        }
    }
}

impl Values {
    fn of_rows(table: &Table, rows: &[u32], group_of: &[u32], codes: &[u32]) -> Self {
        let mut next = Vec::with_capacity(rows.len());
        let mut total = 0;
        for rows in rows {
            next.push(total);
            total += rows;
        }
        let mut sorted = vec![0; place(total)];
        for (row, (group, code)) in group_of.iter().zip(codes).enumerate() {
            if table.is_released(row) {
                let at = &mut next[place(*group)];
                sorted[place(*at)] = *code;
                *at += 1;
            }
        }
        let mut values = Self { ends: Vec::with_capacity(rows.len()), counts: Vec::new() };
        let mut from = 0;
        for end in next {
            let of_group = &mut sorted[from..place(end)];
            of_group.sort_unstable();
            for same in of_group.chunk_by(|one, other| one == other) {
                values.counts.push((same[0], number(same.len())));
            }
            values.ends.push(number(values.counts.len()));
            from = place(end);
        }
        values
    }

    fn of_group(&self, group: usize) -> &[(u32, u32)] {
        if self.ends.is_empty() {
            return &[];
        }
        let from = if group == 0 { 0 } else { place(self.ends[group - 1]) };
        &self.counts[from..place(self.ends[group])]
    }
}

/// Finds which keys are equal: numbers them in order of first appearance.
#[derive(Debug, Default)]
pub(super) struct Numbering<K> {
    /// The distinct keys so far with the sum of their rows.
    pub(super) entries: Vec<(K, u32)>,
    /// For each hash one more than the entry's number; zero where there is none.
    slots: Vec<u32>,
    used: usize,
}

const FEW: usize = 16;

impl<K: Key> Numbering<K> {
    /// Begins anew.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.slots[..self.used].fill(0);
        self.used = 0;
    }

    /// Counts rows of a key in, and returns its number.
    #[inline]
    pub(super) fn add(&mut self, key: K, rows: u32) -> u32 {
        if self.used == 0 {
            for (number, entry) in (0..).zip(&mut self.entries) {
                if entry.0 == key {
                    entry.1 += rows;
                    return number;
                }
            }
            self.entries.push((key, rows));
            if self.entries.len() == FEW {
                self.spread(FEW * 8);
            }
            return number(self.entries.len() - 1);
        }
        let wrap = self.used - 1;
        let mut slot = hashed(key) & wrap;
        loop {
            let taken = self.slots[slot];
            if taken == 0 {
                break;
            }
            let entry = &mut self.entries[place(taken - 1)];
            if entry.0 == key {
                entry.1 += rows;
                return taken - 1;
            }
            slot = (slot + 1) & wrap;
        }
        self.entries.push((key, rows));
        self.slots[slot] = number(self.entries.len());
        if self.entries.len() * 2 > self.used {
            self.spread(self.used * 4);
        }
        number(self.entries.len() - 1)
    }

    #[cold]
    fn spread(&mut self, slots: usize) {
        self.slots[..self.used].fill(0);
        if self.slots.len() < slots {
            self.slots.resize(slots, 0);
        }
        self.used = slots;
        let wrap = slots - 1;
        for (number, (key, _)) in (1..).zip(&self.entries) {
            let mut slot = hashed(*key) & wrap;
            while self.slots[slot] != 0 {
                slot = (slot + 1) & wrap;
            }
            self.slots[slot] = number;
        }
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "low bits of a hash")]
fn hashed<K: Key>(key: K) -> usize {
    key.mix() as usize
}

/// Returns a place in a list as a code.
// INVARIANT: a table has fewer than `u32::MAX` rows, so its lists are no longer.
#[inline]
pub(super) fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
