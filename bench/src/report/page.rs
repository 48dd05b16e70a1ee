//! One page with everything on it: no script, nothing from a network, light or dark as the reader has it.

use std::fmt::Write;

use crate::result::{Figure, Machine, Report, Rung, Scenario};

use super::chart::Chart;
use super::number::{self, Escaped};
use super::{SENSOR, curves, headline, markdown};

const CHART_STYLE: &str = include_str!("chart.css");
const PAGE_STYLE: &str = include_str!("page.css");

/// What the columns of the table count, and whether it is a rate that has a bar.
const COLUMNS: [&str; 7] = [
    "nothing lost<br>(NDR), frames/s",
    "0.5 % lost<br>(PDR), frames/s",
    "largest received,<br>frames/s",
    "NDR /<br>largest",
    "CPU, ns/frame:<br>kernel + workers",
    "p50, p99 latency<br>at half NDR",
    "unexplained<br>frames",
];

/// The page.
pub fn html(report: &Report) -> String {
    let title = headline(report).unwrap_or_else(|| "What this machine takes off a wire".to_owned());
    // To the minute: `2026-11-22 01:00 UTC`.
    let began = report.began.get(..16).unwrap_or_default().replace('T', " ") + " UTC";
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Portreeve drop rates: {title}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style>\n{CHART_STYLE}{PAGE_STYLE}</style></head>\n<body><main>\
         <header><p class=\"eyebrow\">Portreeve drop rates · {} · {}</p><h1>{title}</h1><p class=\"lead\">{}</p>",
        Escaped(&report.machine.host),
        Escaped(&began),
        Escaped(&lead(report)),
        title = Escaped(&title),
    );
    if report.scenarios.len() > 1 {
        page.push_str("<nav>");
        for scenario in &report.scenarios {
            let _ = write!(page, "<a href=\"#{0}\">{0}</a>", Escaped(&scenario.name));
        }
        page.push_str("</nav>");
    }
    page.push_str("</header>\n");
    for scenario in &report.scenarios {
        section(&mut page, scenario);
    }
    foot(&mut page, report);
    page.push_str("</main></body></html>\n");
    page
}

/// A chart as a file of its own.
pub fn picture(chart: &Chart) -> String {
    let svg = chart.svg();
    let inside = svg.find('>').map_or(0, |end| end + 1);
    let (open, rest) = svg.split_at(inside);
    format!("{open}<style>{CHART_STYLE}</style><rect width=\"100%\" height=\"100%\" fill=\"var(--surface)\"/>{rest}\n")
}

fn lead(report: &Report) -> String {
    let Machine { cpu, processors, nic, .. } = &report.machine;
    let first = report.scenarios.first().filter(|_| report.scenarios.len() > 1);
    let loads = first.map_or_else(String::new, |first| format!("{}. ", first.what));
    format!("{loads}On {nic}; {cpu}, {processors} processors.")
}

fn section(page: &mut String, scenario: &Scenario) {
    let _ = write!(
        page,
        "<section id=\"{name}\"><h2>{name}</h2><p class=\"about\">{}; {:.0} bytes a frame.</p><div class=\"card\">",
        Escaped(&scenario.what),
        scenario.frame_bytes,
        name = Escaped(&scenario.name),
    );
    ladder(page, scenario);
    page.push_str("</div><div class=\"charts\">");
    let figures = [
        (
            Some(curves::received(scenario).svg()),
            "Offered against received",
            "A line that leaves the dashed one loses frames. The ring is the highest rate at which nothing was lost; each dot is a trial.",
        ),
        (
            Some(curves::lost(scenario).svg()),
            "Offered against lost",
            "The share of frames lost, by powers of ten; what lies at the bottom lost nothing at all.",
        ),
        (
            curves::latency(scenario).map(|chart| chart.svg()),
            "Latency",
            "Until the worker: from the moment at which a frame was due to be sent. Until the record: from the kernel program's sight of a packet. At half of each rung's NDR.",
        ),
        (
            curves::cost(scenario),
            "Processor time per frame",
            "At full speed. The left part is the core that sends; on veth the kernel receives there, too, and runs the XDP program. The right part is the sensor's own.",
        ),
    ];
    for (figure, title, text) in figures {
        let Some(svg) = figure else { continue };
        let _ =
            write!(page, "<figure class=\"card\"><figcaption><h3>{title}</h3><p>{text}</p></figcaption>{svg}</figure>");
    }
    page.push_str("</div></section>\n");
}

/// The ladder at a glance.
fn ladder(page: &mut String, scenario: &Scenario) {
    page.push_str("<div class=\"scroll\"><table><thead><tr><th>rung</th>");
    for column in COLUMNS {
        let _ = write!(page, "<th>{column}</th>");
    }
    page.push_str("</tr></thead><tbody>");
    let most =
        scenario.rungs.iter().flat_map(|rung| [rung.mrr, rung.pdr, rung.ndr]).flatten().map(|figure| figure.value);
    let most = most.fold(1.0, f64::max);
    for (number, rung) in scenario.rungs.iter().enumerate() {
        row(page, rung, curves::colour(scenario, number), most);
    }
    page.push_str("</tbody></table></div>");
    let _ = write!(
        page,
        "<p class=\"notes\">NDR: the highest rate at which 3 trials of 3 lost nothing; PDR: at which they lost no more than 0.5 %. A rate that was \
         disturbed once has three further trials; one that loses twice is given up. Rungs take turns, so that the machine's other work meets them alike.</p>"
    );
    losses(page, scenario);
}

fn row(page: &mut String, rung: &Rung, colour: usize, most: f64) {
    let class = if rung.name == SENSOR { " class=\"sensor\"" } else { "" };
    let _ = write!(
        page,
        "<tr{class}><th scope=\"row\"><span class=\"swatch s{colour}\"></span>{}<small>{}</small></th>",
        Escaped(&rung.name),
        Escaped(&rung.what)
    );
    let bars = [rung.ndr, rung.pdr, rung.mrr].map(|figure| figure.map(|figure| bar(figure, colour, most)));
    let mut bars = bars.into_iter();
    for (number, cell) in markdown::cells(rung).into_iter().enumerate() {
        let class = match number {
            0..3 => " class=\"rate\"",
            6 if rung.unexplained() > 0 => " class=\"bad\"",
            _ => "",
        };
        let _ = write!(page, "<td{class}>{cell}{}</td>", bars.next().flatten().unwrap_or_default());
    }
    page.push_str("</tr>");
}

/// A rate's bar below its figure, which tells the range when pointed at.
fn bar(figure: Figure, colour: usize, most: f64) -> String {
    let (low, high) = (number::rate(figure.low), number::rate(figure.high));
    format!(
        "<i class=\"s{colour}\" title=\"{low} to {high}\"><b style=\"width:{:.1}%\"></b></i>",
        100.0 * figure.value / most
    )
}

/// Where frames were lost, over all trials.
fn losses(page: &mut String, scenario: &Scenario) {
    let of = |rung: &Rung| {
        let lost = rung.lost();
        let places = lost.iter().take(3).map(|loss| format!("{} {}", Escaped(&loss.stage), number::count(loss.frames)));
        (!lost.is_empty()).then(|| format!("<b>{}</b> {}", Escaped(&rung.name), Vec::from_iter(places).join(", ")))
    };
    let all = Vec::from_iter(scenario.rungs.iter().filter_map(of));
    if !all.is_empty() {
        let _ =
            write!(page, "<p class=\"notes\">Where frames were lost, in all trials together: {}.</p>", all.join("; "));
    }
}

fn foot(page: &mut String, report: &Report) {
    let machine = &report.machine;
    let processors = machine.processors.to_string();
    let took = format!("{}, {:.0} s", report.began, report.seconds);
    let known = [
        ("sensor", machine.version.as_str()),
        ("processor", &machine.cpu),
        ("processors", &processors),
        ("kernel", &machine.kernel),
        ("interface", &machine.nic),
        ("measured", &took),
    ];
    let circumstances = machine.circumstances.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    page.push_str("<footer class=\"card\"><h3>Machine and command</h3><dl>");
    for (name, value) in known.into_iter().chain(circumstances) {
        let _ = write!(page, "<dt>{}</dt><dd>{}</dd>", Escaped(name), Escaped(value));
    }
    let _ = write!(page, "<dt>command</dt><dd><code>{}</code></dd></dl></footer>", Escaped(&machine.command));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn the_page_has_the_ladder_the_curves_and_the_machine() {
        let report = sample();
        let page = html(&report);
        assert_eq!(page.matches("<svg").count(), 4 * report.scenarios.len());
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        for text in [
            "3.2",
            "NDR",
            "cargo xtask bench drop-rate --quick",
            "load average",
            "prefers-color-scheme",
            "million frames a second",
        ] {
            assert!(page.contains(text), "{text}");
        }
    }

    #[test]
    fn nothing_is_fetched_and_no_text_becomes_markup() {
        let mut report = sample();
        report.machine.command = "<script>alert(1)</script>".into();
        report.scenarios[0].rungs[0].name = "\"><img src=x>".into();
        report.scenarios[0].rungs[0].trials[0].lost[0].stage = "<b onclick=x>".into();
        let page = html(&report);
        for text in ["<script", "<img", "<b onclick", "@import", "url(", "A <fast>"] {
            assert!(!page.contains(text), "{text}");
        }
        let links = page.match_indices("http").filter(|(at, _)| !page[*at..].starts_with("http://www.w3.org/2000/svg"));
        assert_eq!(links.count(), 0);
    }

    #[test]
    fn a_picture_of_its_own_brings_its_colours() {
        let picture = picture(&curves::received(&sample().scenarios[0]));
        assert!(
            picture.starts_with("<svg xmlns=")
                && picture.contains("--s1: #")
                && picture.contains("prefers-color-scheme")
        );
        assert_eq!(picture.matches("<svg").count(), 1);
    }

    #[test]
    fn an_empty_run_makes_a_page_all_the_same() {
        let mut report = sample();
        report.scenarios[1].rungs.clear();
        report.scenarios[0].rungs[0].trials.clear();
        assert!(html(&report).contains("</html>"));
        report.scenarios.clear();
        assert!(html(&report).contains("What this machine takes off a wire"));
    }
}
