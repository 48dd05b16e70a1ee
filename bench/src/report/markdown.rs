//! The ladder as a Markdown table.

use std::fmt::Write;

use crate::result::{Figure, Report, Rung, Scenario};

use super::number;

/// A whole run.
pub fn document(report: &Report) -> String {
    let mut text = format!("# Drop rates, {}\n", report.began);
    for scenario in &report.scenarios {
        let _ = write!(
            text,
            "\n## {}\n\n{}; {:.0} bytes a frame.\n\n{}",
            plain(&scenario.name),
            plain(&scenario.what),
            scenario.frame_bytes,
            table(scenario)
        );
    }
    let machine = &report.machine;
    let _ = write!(
        text,
        "\nMeasured by portreeve {} on {} ({} processors), Linux {}, {}, in {:.0} s:\n\n    {}\n",
        plain(&machine.version),
        plain(&machine.cpu),
        machine.processors,
        plain(&machine.kernel),
        plain(&machine.nic),
        report.seconds,
        // A block of code ends with its line.
        machine.command.replace('\n', " ")
    );
    text
}

/// The rungs of a scenario.
pub fn table(scenario: &Scenario) -> String {
    let mut text = String::from(
        "| | nothing lost (NDR) | 0.5 % lost (PDR) | largest received | NDR / largest | ns per frame: kernel + workers | p50, p99 at half NDR | unexplained |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for rung in &scenario.rungs {
        let _ = writeln!(text, "| {} | {} |", plain(&rung.name), cells(rung).join(" | "));
    }
    text
}

/// The figures of a rung, in the table's order.
pub fn cells(rung: &Rung) -> [String; 7] {
    let none = || "–".to_owned();
    let rate = |figure: Option<Figure>| figure.map_or_else(none, |figure| number::rate(figure.value));
    let share = rung.ndr.zip(rung.mrr).filter(|(_, most)| most.value > 0.0);
    let cost = match (rung.kernel_cost(), rung.worker_cost()) {
        (Some(kernel), Some(workers)) => format!("{:.0} +\u{a0}{:.0}", kernel.value, workers.value),
        (Some(kernel), None) => format!("{:.0}", kernel.value),
        _ => none(),
    };
    let until = rung.latency().map_or("", |latency| latency.until.as_str());
    let within = |percentile: f64| rung.latency().and_then(|it| it.at(percentile)).map(|it| number::nanos(it as f64));
    [
        rate(rung.ndr),
        rate(rung.pdr),
        rate(rung.mrr),
        share.map_or_else(none, |(ndr, most)| format!("{:.2}", ndr.value / most.value)),
        cost,
        within(50.0).zip(within(99.0)).map_or_else(none, |(p50, p99)| format!("{p50}, {p99} to the {until}")),
        number::count(rung.unexplained()),
    ]
}

/// A text in a table: nothing in it is markup or ends the cell.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '|' | '\\' | '`' | '*' | '_' | '<' | '[' | '#' => out.extend(['\\', character]),
            character if character.is_control() => out.push(' '),
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn the_table_has_a_row_for_each_rung() {
        let report = sample();
        let text = document(&report);
        let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |")).count();
        assert_eq!(rows, report.scenarios.iter().map(|scenario| scenario.rungs.len()).sum::<usize>());
        let columns = |line: &str| line.matches(" |").count();
        assert!(text.lines().filter(|line| line.starts_with("| ")).all(|line| columns(line) == 8), "{text}");
        assert!(text.contains("A \\<fast> processor") && text.contains(&report.machine.command));
    }

    #[test]
    fn a_name_stays_in_its_cell() {
        assert_eq!(plain("a|b\n`c`<i>"), "a\\|b \\`c\\`\\<i>");
    }
}
