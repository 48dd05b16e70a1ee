//! A chart of lines, drawn as SVG: two axes with units, a legend, and points that tell their figures when pointed at.

use std::fmt::Write;

use super::number::Escaped;

/// The size of every chart, in its own units; text is 12 of them.
pub const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 348.0;
/// What is left of, right of and below the plot.
const LEFT: f64 = 74.0;
const RIGHT: f64 = 16.0;
const BELOW: f64 = 48.0;
/// A line of the legend.
const ROW: f64 = 18.0;

/// What a chart shows.
#[derive(Debug)]
pub struct Chart {
    /// What it is about; for those who do not see it, too.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// The lines.
    pub lines: Vec<Line>,
    /// Lines to compare with: dashed, from a point to a point, in the axes' values, with a text at its end.
    pub guides: Vec<Guide>,
}

/// One axis.
#[derive(Debug)]
pub struct Axis {
    /// What it counts, with its unit.
    pub label: String,
    /// How values become places.
    pub scale: Scale,
}

/// How values become places.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Scale {
    /// Evenly from 0; values are shown as millions.
    Millions(f64),
    /// A share by powers of ten from 0.001 % to 100 %, with a place of its own for nothing at all.
    Share,
    /// Nanoseconds by powers of ten, from one power to another.
    Nanos(i32, i32),
    /// Percentiles, by their number of nines up to so many.
    Nines(f64),
}

/// One line, with the trials it stands for.
#[derive(Debug)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// The number of its colour: `s1` ...
    pub colour: usize,
    /// Where it goes.
    pub path: Vec<(f64, f64)>,
    /// What was measured, and what that says when pointed at.
    pub points: Vec<(f64, f64, String)>,
    /// A place to be marked by a ring, and what it says.
    pub mark: Option<(f64, f64, String)>,
}

/// A dashed line to compare with.
#[derive(Debug)]
pub struct Guide {
    /// Its ends.
    pub ends: [(f64, f64); 2],
    /// What it says.
    pub text: String,
}

impl Scale {
    /// The smallest even scale that holds a value.
    pub fn up_to(value: f64) -> Scale {
        let step = step(value);
        Scale::Millions((value / step - 1e-9).ceil().max(1.0) * step)
    }

    /// The place of a value, 0 to 1.
    fn place(self, value: f64) -> f64 {
        let place = match self {
            Scale::Millions(most) => value / most,
            // The lowest tenth is for nothing at all.
            Scale::Share if value <= 0.0 => 0.0,
            Scale::Share => 0.1 + 0.9 * ((value.log10() + 5.0) / 5.0).max(0.0),
            Scale::Nanos(from, to) => (value.max(1.0).log10() - f64::from(from)) / f64::from(to - from),
            Scale::Nines(_) if value >= 100.0 => 1.0,
            // The last tenth is for the longest of all.
            Scale::Nines(most) => 0.92 * (-(1.0 - value / 100.0).log10() / most).min(1.0),
        };
        place.clamp(0.0, 1.0)
    }

    /// Where lines cross the plot, and what stands there.
    fn ticks(self) -> Vec<(f64, String)> {
        match self {
            Scale::Millions(most) => {
                let (step, places) =
                    (step(most), if step(most) < 0.99e5 { 2 } else { usize::from(step(most) < 0.99e6) });
                let steps = (most / step).round() as u32;
                (0..=steps)
                    .map(|tick| f64::from(tick) * step)
                    .map(|at| (at, format!("{:.places$}", at / 1e6)))
                    .collect()
            }
            Scale::Share => {
                let powers = [
                    (1e-5, "0.001 %"),
                    (1e-4, "0.01 %"),
                    (1e-3, "0.1 %"),
                    (1e-2, "1 %"),
                    (0.1, "10 %"),
                    (1.0, "100 %"),
                ];
                std::iter::once((0.0, "none")).chain(powers).map(|(at, text)| (at, text.to_owned())).collect()
            }
            Scale::Nanos(from, to) => (from..=to).map(|power| (10_f64.powi(power), power_of_ten(power))).collect(),
            Scale::Nines(most) => {
                let all = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999];
                let shown = all.into_iter().filter(|at| -(1.0 - at / 100.0_f64).log10() <= most + 1e-6);
                shown.map(|at| (at, format!("{at}"))).chain([(100.0, "max".to_owned())]).collect()
            }
        }
    }
}

impl Chart {
    /// The SVG element.
    pub fn svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            Escaped(&self.title)
        );
        let top = self.legend(&mut svg);
        let plot = Plot { chart: self, top };
        plot.grid(&mut svg);
        plot.guides(&mut svg);
        for line in &self.lines {
            plot.line(&mut svg, line);
        }
        svg.push_str("</svg>");
        svg
    }

    /// Draws the legend in as many rows as it takes, and says where the plot may begin.
    fn legend(&self, svg: &mut String) -> f64 {
        let (mut x, mut y) = (LEFT, 14.0);
        for line in &self.lines {
            // A letter is about 6.3 wide at this size.
            let width = 34.0 + 6.3 * line.name.chars().count() as f64;
            if x > LEFT && x + width > WIDTH {
                (x, y) = (LEFT, y + ROW);
            }
            let _ = write!(
                svg,
                "<rect class=\"f s{}\" x=\"{x}\" y=\"{}\" width=\"14\" height=\"4\" rx=\"2\"/><text x=\"{}\" y=\"{y}\">{}</text>",
                line.colour,
                y - 6.0,
                x + 19.0,
                Escaped(&line.name)
            );
            x += width;
        }
        y + 16.0
    }
}

/// The rectangle inside the axes.
struct Plot<'a> {
    chart: &'a Chart,
    top: f64,
}

impl Plot<'_> {
    fn x(&self, value: f64) -> f64 {
        LEFT + self.chart.x.scale.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let bottom = HEIGHT - BELOW;
        bottom - self.chart.y.scale.place(value) * (bottom - self.top)
    }

    fn grid(&self, svg: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BELOW);
        for (value, text) in self.chart.y.scale.ticks() {
            let y = self.y(value);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/><text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                LEFT - 8.0,
                y + 4.0
            );
        }
        for (value, text) in self.chart.x.scale.ticks() {
            let x = self.x(value);
            let _ = write!(
                svg,
                "<path class=\"axis\" d=\"M{x:.1} {bottom}v5\"/><text class=\"tick\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{text}</text>",
                bottom + 18.0
            );
        }
        let middle = f64::midpoint(self.top, bottom);
        let _ = write!(
            svg,
            "<path class=\"axis\" d=\"M{LEFT} {bottom}H{right}\"/>\
             <text class=\"label\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\
             <text class=\"label\" transform=\"translate(13 {middle:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(LEFT, right),
            HEIGHT - 8.0,
            Escaped(&self.chart.x.label),
            Escaped(&self.chart.y.label)
        );
    }

    fn guides(&self, svg: &mut String) {
        for Guide { ends: [from, to], text } in &self.chart.guides {
            let (x, y) = (self.x(to.0), self.y(to.1));
            let _ = write!(
                svg,
                "<path class=\"guide\" d=\"M{:.1} {:.1}L{x:.1} {y:.1}\"/><text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                self.x(from.0),
                self.y(from.1),
                x - 6.0,
                y - 5.0,
                Escaped(text)
            );
        }
    }

    fn line(&self, svg: &mut String, line: &Line) {
        let colour = line.colour;
        let _ = write!(svg, "<path class=\"line s{colour}\" d=\"");
        for (number, (x, y)) in line.path.iter().enumerate() {
            let _ = write!(svg, "{}{:.1} {:.1}", if number == 0 { 'M' } else { 'L' }, self.x(*x), self.y(*y));
        }
        svg.push_str("\"/>");
        for (x, y, text) in &line.points {
            let _ = write!(
                svg,
                "<circle class=\"dot s{colour}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\"><title>{}</title></circle>",
                self.x(*x),
                self.y(*y),
                Escaped(text)
            );
        }
        if let Some((x, y, text)) = &line.mark {
            let _ = write!(
                svg,
                "<circle class=\"ring s{colour}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"6\"><title>{}</title></circle>",
                self.x(*x),
                self.y(*y),
                Escaped(text)
            );
        }
    }
}

/// Between ticks, so that there are five or fewer: 1, 2 or 5 times a power of ten.
fn step(most: f64) -> f64 {
    let rough = most.max(1.0) / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|times| times * power)
        .into_iter()
        .find(|step| *step >= rough * (1.0 - 1e-9))
        .unwrap_or(rough)
}

fn power_of_ten(power: i32) -> String {
    let (unit, below) = match power {
        ..3 => ("ns", 0),
        3..6 => ("µs", 3),
        6..9 => ("ms", 6),
        9.. => ("s", 9),
    };
    format!("{} {unit}", 10_u64.pow((power - below).unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_scale_has_few_and_round_ticks() {
        for (value, most, last) in
            [(5.6e6, 6e6, "6"), (3.34e6, 4e6, "4"), (0.93e6, 1e6, "1.0"), (12e6, 15e6, "15"), (0.08e6, 0.08e6, "0.08")]
        {
            assert_eq!(Scale::up_to(value), Scale::Millions(most), "{value}");
            let ticks = Scale::Millions(most).ticks();
            assert!(ticks.len() <= 6, "{ticks:?}");
            assert_eq!(ticks.last().map(|(at, text)| (*at, text.as_str())), Some((most, last)));
        }
    }

    #[test]
    fn each_scale_rises_and_stays_inside() {
        let falls =
            |scale: Scale, values: &[f64]| values.windows(2).any(|two| scale.place(two[0]) >= scale.place(two[1]));
        assert!(!falls(Scale::Share, &[0.0, 2e-5, 0.005, 0.2, 1.0]));
        assert!(!falls(Scale::Nanos(2, 6), &[150.0, 2e3, 9e5]));
        assert!(!falls(Scale::Nines(4.0), &[0.0, 50.0, 99.0, 99.9, 100.0]));
        assert_eq!(
            [Scale::Share.place(7.0), Scale::Nanos(2, 6).place(0.0), Scale::Nines(4.0).place(100.0)],
            [1.0, 0.0, 1.0]
        );
        assert_eq!(
            Scale::Nanos(2, 7).ticks().into_iter().map(|(_, text)| text).collect::<Vec<_>>(),
            ["100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms"]
        );
    }

    #[test]
    fn names_are_escaped() {
        let axis = |label: &str| Axis { label: label.into(), scale: Scale::Share };
        let line = Line {
            name: "</text><script>".into(),
            colour: 1,
            path: vec![(0.0, 0.0)],
            points: vec![(0.0, 0.0, "<i>".into())],
            mark: None,
        };
        let guides = vec![Guide { ends: [(0.0, 0.0), (1.0, 1.0)], text: "<u>".into() }];
        let chart = Chart { title: "\"".into(), x: axis("<x>"), y: axis("<y>"), lines: vec![line], guides };
        let svg = chart.svg();
        for markup in ["<script", "<i>", "<u>", "<x>", "<y>", "label=\"\"\""] {
            assert!(!svg.contains(markup), "{markup}: {svg}");
        }
    }
}
