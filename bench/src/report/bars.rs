//! Bars that lie, each of two parts: what a frame costs on which processor.

use std::fmt::Write;

use super::chart::WIDTH;
use super::number::{self, Escaped};

const ROW: f64 = 34.0;
const TOP: f64 = 34.0;
const LEFT: f64 = 150.0;
/// Room for the figures behind the longest bar.
const RIGHT: f64 = 116.0;

/// What a frame costs on one rung, in nanoseconds.
#[derive(Debug)]
pub struct Bar {
    /// The rung.
    pub name: String,
    /// Of the core that sends and receives in the kernel.
    pub kernel: f64,
    /// Of the cores in user space.
    pub workers: Option<f64>,
}

/// The SVG element.
pub fn svg(title: &str, bars: &[Bar]) -> String {
    let height = TOP + ROW * bars.len() as f64 + 8.0;
    let longest = bars.iter().map(|bar| bar.kernel + bar.workers.unwrap_or(0.0)).fold(1.0, f64::max);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\
         <rect class=\"f kernel\" x=\"{LEFT}\" y=\"5\" width=\"12\" height=\"12\" rx=\"3\"/><text x=\"{}\" y=\"15\">sending core and kernel</text>\
         <rect class=\"f workers\" x=\"{}\" y=\"5\" width=\"12\" height=\"12\" rx=\"3\"/><text x=\"{}\" y=\"15\">receiving cores, user space</text>",
        Escaped(title),
        LEFT + 18.0,
        LEFT + 172.0,
        LEFT + 190.0
    );
    for (number, bar) in bars.iter().enumerate() {
        draw(&mut svg, bar, TOP + ROW * number as f64, (WIDTH - LEFT - RIGHT) / longest);
    }
    svg.push_str("</svg>");
    svg
}

fn draw(svg: &mut String, bar: &Bar, y: f64, scale: f64) {
    let (kernel, workers) = (bar.kernel * scale, bar.workers.unwrap_or(0.0) * scale);
    let middle = y + 16.0;
    let _ = write!(
        svg,
        "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>\
         <rect class=\"f kernel\" x=\"{LEFT}\" y=\"{y}\" width=\"{kernel:.1}\" height=\"22\" rx=\"3\"><title>{}</title></rect>",
        LEFT - 10.0,
        Escaped(&bar.name),
        number::nanos(bar.kernel)
    );
    let figures = match bar.workers {
        // A gap of 2 keeps the parts apart where colours do not.
        Some(of_workers) => {
            let _ = write!(
                svg,
                "<rect class=\"f workers\" x=\"{:.1}\" y=\"{y}\" width=\"{workers:.1}\" height=\"22\" rx=\"3\"><title>{}</title></rect>",
                LEFT + kernel + 2.0,
                number::nanos(of_workers)
            );
            format!("{:.0} + {of_workers:.0} ns", bar.kernel)
        }
        None => format!("{:.0} ns", bar.kernel),
    };
    let _ = write!(
        svg,
        "<text class=\"figure\" x=\"{:.1}\" y=\"{middle}\">{figures}</text>",
        LEFT + kernel + workers + 10.0
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_leaves_room_for_its_figures() {
        let bars = [
            Bar { name: "<drop>".into(), kernel: 180.0, workers: None },
            Bar { name: "slow".into(), kernel: 700.0, workers: Some(900.0) },
        ];
        let svg = svg("cost", &bars);
        assert!(svg.contains("700 + 900 ns") && svg.contains(">180 ns<") && svg.contains("&lt;drop&gt;"), "{svg}");
        let last = svg.rsplit("class=\"figure\" x=\"").next().and_then(|rest| rest.split('"').next());
        assert!(last.and_then(|x| x.parse::<f64>().ok()).is_some_and(|x| x <= WIDTH - RIGHT + 10.0), "{last:?}");
    }
}
