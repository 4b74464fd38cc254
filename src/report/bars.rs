//! Bars drawn as inline SVG: no script, no picture file; the numbers stand in the table beside.

use maud::{Markup, html};

use super::number::percent;

/// One part of a bar: its class in the stylesheet, its words, its size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) class: &'static str,
    pub(super) label: &'a str,
    pub(super) size: u128,
}

/// Draws one bar whose full length is `whole`; parts follow each other from the left.
pub(super) fn bar(label: &str, parts: &[Part<'_>], whole: u128) -> Markup {
    let mut left = 0;
    let mut boxes = Vec::with_capacity(parts.len());
    for part in parts {
        let width = per_mille(part.size, whole).min(1_000 - left);
        // What is there is seen, however small it is.
        let width = if part.size > 0 { width.max(4).min(1_000 - left) } else { 0 };
        boxes.push((left, width, part));
        left += width;
    }
    html! {
        svg .bar role="img" aria-label=(label) viewBox="0 0 1000 28" preserveAspectRatio="none" {
            rect .track x="0" y="0" width="1000" height="28" {}
            @for (x, width, part) in boxes {
                @if width > 0 {
                    rect class=(part.class) x=(x) y="0" width=(width) height="28" {
                        title { (part.label) }
                    }
                }
            }
        }
    }
}

/// Draws a heat map: lines below each other, each with its cells from left to right, a cell's share
/// in millionths as its depth. The names of the first line's cells stand slanted above their columns.
pub(super) fn heat(label: &str, lines: &[(&str, Vec<(&str, u64)>)]) -> Markup {
    let columns = lines.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0).max(1);
    let names = lines.first().map(|(_, cells)| cells.as_slice()).unwrap_or_default();
    let longest = names.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    // A letter is about 7 wide; slanted by 45 degrees a name takes 0.7 of that in both directions.
    let (left, side, height, top) = (180, 24, 18, longest * 5 + 12);
    let (wide, high) = (left + columns * side + top, top + lines.len() * height);
    html! {
        svg .heat role="img" aria-label=(label) width=(wide) height=(high)
            viewBox=(format!("0 0 {wide} {high}")) {
            @for (column, (name, _)) in names.iter().enumerate() {
                @let (x, y) = (left + column * side + 10, top - 6);
                text x=(x) y=(y) transform=(format!("rotate(-45 {x} {y})")) { (name) }
            }
            @for (row, (name, cells)) in lines.iter().enumerate() {
                text x="0" y=(top + row * height + 13) { (name) }
                @for (column, (cell, ppm)) in cells.iter().enumerate() {
                    rect .track x=(left + column * side) y=(top + row * height)
                        width=(side - 2) height=(height - 2) {}
                    rect .good x=(left + column * side) y=(top + row * height)
                        width=(side - 2) height=(height - 2)
                        fill-opacity=(format!("{}.{:03}", ppm / 1_000_000, ppm % 1_000_000 / 1_000)) {
                        title { (name) ", " (cell) ": " (percent(*ppm)) }
                    }
                }
            }
        }
    }
}

/// Names the colours of bars.
pub(super) fn legend(parts: &[(&'static str, &str)]) -> Markup {
    html! {
        p .legend {
            @for (class, label) in parts {
                span { i .{ "key " (class) } {} (label) } " "
            }
        }
    }
}

fn per_mille(part: u128, whole: u128) -> u128 {
    part.saturating_mul(1_000) / whole.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_never_run_over_the_end_and_small_ones_are_seen() {
        let part = |size| Part { class: "good", label: "x", size };
        let drawn = bar("b", &[part(1), part(1_000_000), part(0)], 1_000_001).into_string();
        assert!(drawn.contains("x=\"0\" y=\"0\" width=\"4\""), "{drawn}");
        assert!(drawn.contains("x=\"4\" y=\"0\" width=\"996\" height=\"28\"><title>"), "{drawn}");
        assert_eq!(drawn.matches("<title>").count(), 2, "what is nothing has no box");
    }

    #[test]
    fn a_full_cell_is_opaque_and_an_empty_one_clear() {
        let drawn = heat("h", &[("a", vec![("x", 1_000_000), ("y", 0), ("z", 62_500)])]);
        let drawn = drawn.into_string();
        for depth in ["\"1.000\"", "\"0.000\"", "\"0.062\""] {
            assert!(drawn.contains(&format!("fill-opacity={depth}")), "{depth}: {drawn}");
        }
        assert!(drawn.contains("a, z: 6.3 %"), "the share would be seen and not read: {drawn}");
    }
}
