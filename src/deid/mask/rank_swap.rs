//! Rank swapping (Moore 1996): a value changes places with one of another person whose rank is near.
//!
//! Comes in: the rows of one column in ascending order of their values, for each row its person, the
//! window, a stream. Goes out: for each row the row whose value it shows. Never: a row that shows its
//! own person's value; one that finds nobody to swap with within the window shows none.
//!
//! It protects the link between a value and its person, and between the columns of a row: who knows a
//! value exactly finds somebody else's row. It keeps the column as a whole to the last digit (counts,
//! mean, quantiles), and costs correlations with other columns, the more the wider the window; a
//! window of 5 % of the ranks is common. It hides no value that is telling by itself: the
//! largest stays in the table, under another's name. For that it takes `top` and `bottom` as well, which
//! code the ends first.

use super::{shells::place, stream::Stream};

/// Places that are looked at for one row before it is given up.
const LOOKS: usize = 1_000;

/// Swaps within a window of so many ranks.
///
/// `order` has the rows that hold a value, `people` the person of every row. The result has as many
/// items as `people`; `None` where a row shows no value.
pub(super) fn swap(
    order: &[u32],
    people: &[u32],
    window: usize,
    stream: &mut Stream,
) -> Vec<Option<u32>> {
    let persons: Vec<u32> =
        order.iter().map(|row| people.get(place(*row)).copied().unwrap_or(u32::MAX)).collect();
    let mut ranks =
        Ranks { window: window.max(1), persons: &persons, shown: vec![None; order.len()] };
    for rank in 0..order.len() {
        if ranks.shown(rank).is_none()
            && let Some(partner) = ranks.partner(rank, stream)
        {
            ranks.set(rank, partner);
            ranks.set(partner, rank);
        }
    }
    for rank in 0..order.len() {
        if ranks.shown(rank).is_none() {
            ranks.fill(rank, stream);
        }
    }
    let mut out = vec![None; people.len()];
    for (row, shown) in order.iter().zip(&ranks.shown) {
        if let Some(out) = out.get_mut(place(*row)) {
            *out = shown.and_then(|rank| order.get(rank)).copied();
        }
    }
    out
}

struct Ranks<'p> {
    window: usize,
    persons: &'p [u32],
    /// The rank whose value a rank shows.
    shown: Vec<Option<usize>>,
}

impl Ranks<'_> {
    fn shown(&self, rank: usize) -> Option<usize> {
        self.shown.get(rank).copied().flatten()
    }

    fn set(&mut self, rank: usize, shows: usize) {
        if let Some(shown) = self.shown.get_mut(rank) {
            *shown = Some(shows);
        }
    }

    fn are_two_people(&self, a: usize, b: usize) -> bool {
        self.persons.get(a) != self.persons.get(b)
    }

    /// A rank of the window above that shows its own value still and is another person's.
    fn partner(&self, rank: usize, stream: &mut Stream) -> Option<usize> {
        let above = (self.persons.len() - rank - 1).min(self.window);
        let is_free = |at: &usize| self.shown(*at).is_none() && self.are_two_people(rank, *at);
        if above == 0 {
            return None;
        }
        // Most places are free, so drawing again is quick; where few are, the next one will do.
        let drawn = (0..32).map(|_| rank + 1 + stream.below(above)).find(is_free);
        drawn.or_else(|| {
            let from = stream.below(above);
            (0..above).map(|step| rank + 1 + (from + step) % above).take(LOOKS).find(is_free)
        })
    }

    /// Finds a value for a rank that found no partner, if need be by parting a pair near by, one of
    /// which then looks on from where it stands.
    fn fill(&mut self, rank: usize, stream: &mut Stream) {
        let mut empty = rank;
        for _ in 0..LOOKS {
            if let Some(between) = self.pair_to_enter(empty) {
                let other = self.shown(between).unwrap_or(between);
                self.set(empty, other);
                self.set(between, empty);
                return;
            }
            let low = empty.saturating_sub(self.window);
            let high = (empty + self.window).min(self.persons.len() - 1);
            let near = low + stream.below(high - low + 1);
            let partner = self.shown(near).filter(|partner| self.shown(*partner) == Some(near));
            if let Some(partner) = partner.filter(|_| self.are_two_people(near, empty)) {
                self.set(empty, near);
                self.set(near, empty);
                if let Some(shown) = self.shown.get_mut(partner) {
                    *shown = None;
                }
                empty = partner;
            }
        }
    }

    /// A rank that shows another's value and can make place for one more between the two, so that all
    /// three keep to the window and to other people.
    fn pair_to_enter(&self, rank: usize) -> Option<usize> {
        let near = (1..=self.window).take(LOOKS / 2).flat_map(|step| {
            let below = rank.checked_sub(step);
            let above = Some(rank + step).filter(|at| *at < self.persons.len());
            below.into_iter().chain(above)
        });
        let mut near = near.filter(|at| self.are_two_people(rank, *at));
        near.find(|at| {
            self.shown(*at).is_some_and(|other| {
                rank.abs_diff(other) <= self.window && self.are_two_people(rank, other)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{super::shells::count, *};

    #[test]
    fn one_person_alone_has_nobody_to_swap_with() {
        let shown = swap(&[0, 1, 2], &[7, 7, 7], 2, &mut Stream::new([1; 32]));
        assert_eq!(shown, [None, None, None], "a person's value stands in their own row");
    }

    #[test]
    fn ranks_move_over_the_whole_window() {
        let all: Vec<u32> = (0..20_000).collect();
        let shown = swap(&all, &all, 100, &mut Stream::new([1; 32]));
        let moved: Vec<usize> =
            (0..).zip(&shown).map(|(row, shown)| row_distance(row, shown.unwrap())).collect();
        let mean = count(moved.iter().sum()) / count(moved.len());
        assert!((40.0..62.0).contains(&mean), "ranks move by {mean} of 100 on average");
        assert_eq!(moved.iter().max(), Some(&100), "the window is not used");
    }

    fn row_distance(row: u32, shown: u32) -> usize {
        place(row.abs_diff(shown))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn a_value_moves_to_another_person_within_the_window_and_none_is_made(
            people in proptest::collection::vec(0_u32..30, 1..200), window in 1_usize..40, key in any::<[u8; 32]>(),
        ) {
            let order: Vec<u32> = (0..).take(people.len()).filter(|row| row % 7 != 3).collect();
            let shown = swap(&order, &people, window, &mut Stream::new(key));
            prop_assert_eq!(&shown, &swap(&order, &people, window, &mut Stream::new(key)), "not the key's");
            let rank = |row: u32| order.iter().position(|other| *other == row).unwrap();
            let mut seen = BTreeSet::new();
            for (row, shown) in (0..).zip(&shown) {
                let Some(other) = shown else { continue };
                prop_assert!(row % 7 != 3, "a row without a value shows one");
                prop_assert!(seen.insert(*other), "a value is shown twice");
                prop_assert!(rank(row).abs_diff(rank(*other)) <= window, "a value left its window");
                prop_assert_ne!(people[place(row)], people[place(*other)], "a person's own value");
            }
            let empty: Vec<u32> = order.iter().copied().filter(|row| shown[place(*row)].is_none()).collect();
            prop_assert!(empty.iter().all(|row| !seen.contains(row)), "a value that found no partner is shown");
        }

        #[test]
        fn where_everybody_has_one_row_nobody_is_left_over(n in 3_u32..300, window in 2_usize..40) {
            let all: Vec<u32> = (0..n).collect();
            let shown = swap(&all, &all, window, &mut Stream::new([5; 32]));
            prop_assert!(shown.iter().all(Option::is_some));
        }
    }
}
