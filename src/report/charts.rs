//! Charts as inline SVG, made by our own code: bars beside their labels, and a waterfall from one
//! balance to the next.
//!
//! Comes in: labels and whole numbers. Goes out: markup with a title and a description; the numbers
//! stand in the table beside it. Never: a script, a picture file, a colour that alone tells something
//! (what goes out is hollow, what comes in is filled), or a text that is not escaped.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use maud::{Markup, html};

/// One bar: what it is of, its size, and the size as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) size: i128,
    pub(super) figure: String,
}

/// What a step of a waterfall does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A balance: the bar begins at nothing.
    Balance,
    /// A change: the bar begins where the one before ended.
    Change,
}

/// Names a chart: an id that no other chart of the page has, its title and what it shows in words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caption<'a> {
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) shows: &'a str,
}

/// Where labels, bars and figures stand, in the chart's own units.
const WIDE: i128 = 760;
const LEFT: i128 = 250;
const SPAN: i128 = 340;
const ROW: i128 = 30;
const LABEL_CHARS_MAX: usize = 33;

/// Draws bars below each other; the longest fills the width.
pub(super) fn bars(caption: Caption<'_>, bars: &[Bar]) -> Markup {
    let whole = bars.iter().map(|bar| bar.size).max().unwrap_or(0);
    let drawn = bars.iter().map(|bar| {
        let class = if bar.size < 0 { "out" } else { "in" };
        Drawn { bar, class, from: 0, until: scale(bar.size.max(0), whole), link: None }
    });
    frame(caption, drawn.collect())
}

/// Draws how one balance became the next: each change begins where the one before it ended.
pub(super) fn waterfall(caption: Caption<'_>, steps: &[(Step, Bar)]) -> Markup {
    let mut level = 0_i128;
    let mut spans = Vec::with_capacity(steps.len());
    for (step, bar) in steps {
        let from = match step {
            Step::Balance => 0,
            Step::Change => level,
        };
        level = from.saturating_add(bar.size);
        spans.push((from, level));
    }
    let lowest = spans.iter().map(|(from, until)| *from.min(until)).min().unwrap_or(0).min(0);
    let highest = spans.iter().map(|(from, until)| *from.max(until)).max().unwrap_or(0).max(0);
    let whole = highest.saturating_sub(lowest);
    let place = |value: i128| scale(value.saturating_sub(lowest), whole);
    let drawn = steps.iter().zip(&spans).map(|((step, bar), (from, until))| {
        let class = match step {
            Step::Balance => "balance",
            Step::Change if bar.size < 0 => "out",
            Step::Change => "in",
        };
        let (left, right) = (place(*from.min(until)), place(*from.max(until)));
        Drawn { bar, class, from: left, until: right, link: Some(place(*until)) }
    });
    frame(caption, drawn.collect())
}

struct Drawn<'a> {
    bar: &'a Bar,
    class: &'static str,
    from: i128,
    until: i128,
    /// Where the next bar begins.
    link: Option<i128>,
}

fn frame(caption: Caption<'_>, rows: Vec<Drawn<'_>>) -> Markup {
    let count = i128::try_from(rows.len()).unwrap_or(i128::MAX);
    let high = count.saturating_mul(ROW).saturating_add(4);
    let (title, desc) = (format!("{}-title", caption.id), format!("{}-desc", caption.id));
    let mut top = 2_i128;
    let placed: Vec<(i128, Drawn<'_>)> = rows
        .into_iter()
        .map(|row| {
            let here = top;
            top = top.saturating_add(ROW);
            (here, row)
        })
        .collect();
    let last = placed.len().saturating_sub(1);
    html! {
        svg .chart xmlns="http://www.w3.org/2000/svg" role="img"
            aria-labelledby=(format!("{title} {desc}")) viewBox=(format!("0 0 {WIDE} {high}"))
            font-family="Libertinus Serif" font-size="13" {
            title id=(title) { (caption.title) }
            desc id=(desc) { (caption.shows) }
            @for (at, (y, row)) in placed.iter().enumerate() {
                @let middle = y.saturating_add(19);
                text x=(LEFT.saturating_sub(12)) y=(middle) text-anchor="end" {
                    (short(&row.bar.label))
                }
                line .axis x1=(LEFT) x2=(LEFT) y1=(y) y2=(y.saturating_add(ROW)) stroke=(SOFT) {}
                rect class=(row.class) x=(LEFT.saturating_add(row.from)) y=(y.saturating_add(5))
                    width=(row.until.saturating_sub(row.from).max(thin(row.bar.size))) height="20"
                    fill=(fill(row.class)) stroke=(INK) stroke-width="1.2" {
                    title { (row.bar.label) ": " (row.bar.figure) }
                }
                @if let Some(link) = row.link && at < last {
                    @let x = LEFT.saturating_add(link);
                    line .link x1=(x) x2=(x) y1=(y.saturating_add(25)) y2=(y.saturating_add(35))
                        stroke=(SOFT) {}
                }
                text .figure x=(WIDE.saturating_sub(4)) y=(middle) text-anchor="end" {
                    (row.bar.figure)
                }
            }
        }
    }
}

/// Returns what a bar is filled with where no stylesheet says so, as on paper.
fn fill(class: &str) -> &'static str {
    match class {
        "out" => "#ffffff",
        "balance" => "#3d4549",
        _ => "#8fb9ad",
    }
}

const INK: &str = "#1d2326";
const SOFT: &str = "#7d8a91";

/// What is there is seen, however small it is.
fn thin(size: i128) -> i128 {
    if size == 0 { 0 } else { 2 }
}

/// Returns a size in the chart's units; 0 where there is no whole.
fn scale(size: i128, whole: i128) -> i128 {
    // Large sums lose digits that nobody could see, not their proportion.
    let shift = whole.checked_ilog2().unwrap_or(0).saturating_sub(100);
    let (size, whole) = (size >> shift, whole >> shift);
    size.saturating_mul(SPAN).checked_div(whole).unwrap_or(0).clamp(0, SPAN)
}

fn short(label: &str) -> String {
    if label.chars().count() <= LABEL_CHARS_MAX {
        return label.to_owned();
    }
    let kept: String = label.chars().take(LABEL_CHARS_MAX.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(label: &str, size: i128) -> Bar {
        Bar { label: label.to_owned(), size, figure: size.to_string() }
    }

    fn caption() -> Caption<'static> {
        Caption { id: "c", title: "A title", shows: "What it shows" }
    }

    #[test]
    fn the_longest_bar_fills_the_width_and_the_smallest_is_seen() {
        let drawn = bars(caption(), &[bar("a", 1_000_000), bar("b", 1), bar("c", 0)]).into_string();
        assert!(drawn.contains("x=\"250\" y=\"7\" width=\"340\""), "{drawn}");
        assert!(drawn.contains("y=\"37\" width=\"2\""), "what is there would not be seen: {drawn}");
        assert!(drawn.contains("y=\"67\" width=\"0\""), "nothing would be drawn as something");
    }

    #[test]
    fn a_waterfall_ends_where_its_closing_balance_ends() {
        let steps = [
            (Step::Balance, bar("opening", 100)),
            (Step::Change, bar("received", 300)),
            (Step::Change, bar("paid", -350)),
            (Step::Balance, bar("closing", 50)),
        ];
        let drawn = waterfall(caption(), &steps).into_string();
        // 400 is the highest level, 340 wide: 100 -> 85, 400 -> 340, 50 -> 42.
        assert!(drawn.contains("class=\"in\" x=\"335\" y=\"37\" width=\"255\""), "{drawn}");
        assert!(drawn.contains("class=\"out\" x=\"292\" y=\"67\" width=\"298\""), "{drawn}");
        assert!(drawn.contains("class=\"balance\" x=\"250\" y=\"97\" width=\"42\""), "{drawn}");
        assert_eq!(drawn.matches("class=\"link\"").count(), 3, "no line leads out of the last bar");
    }

    #[test]
    fn a_balance_below_nothing_stays_inside_the_chart() {
        let steps = [(Step::Balance, bar("a", 10)), (Step::Change, bar("b", -30))];
        let drawn = waterfall(caption(), &steps).into_string();
        assert!(drawn.contains("class=\"out\" x=\"250\" y=\"37\" width=\"340\""), "{drawn}");
    }

    #[test]
    fn a_chart_says_what_it_is_to_who_cannot_see_it_and_lets_no_markup_in() {
        let odd = "</text><script>alert(1)</script>\"'&";
        let caption = Caption { id: "c", title: odd, shows: odd };
        let drawn = bars(caption, &[bar(odd, 1)]).into_string();
        assert!(!drawn.contains("<script"), "a sponsor's name would run: {drawn}");
        assert!(drawn.contains("role=\"img\" aria-labelledby=\"c-title c-desc\""), "{drawn}");
        assert!(drawn.contains("<title id=\"c-title\">") && drawn.contains("<desc id=\"c-desc\">"));
    }

    #[test]
    fn sums_of_any_size_keep_their_proportion() {
        assert_eq!(scale(i128::MAX / 2, i128::MAX), 169, "just under half");
        assert_eq!(scale(1, 0), 0);
        assert_eq!(short(&"é".repeat(40)).chars().count(), LABEL_CHARS_MAX);
    }
}
