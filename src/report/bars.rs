//! Bars drawn as inline SVG: no script, no picture file; the numbers stand in the table beside.

use maud::{Markup, html};

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
}
