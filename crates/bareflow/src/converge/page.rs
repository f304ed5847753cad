//! The report of `converge`: one HTML file that needs nothing else.

use std::fmt::Write;

use super::boot::{Boot, TIERS, size};
use super::plot::{self, Chart};

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:1320px;margin:2em auto;padding:0 1em;color:#222}\
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}.charts{display:flex;flex-wrap:wrap;gap:12px}\
table{border-collapse:collapse}th,td{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}\
td:last-child,th:last-child,td:nth-child(2),th:nth-child(2){text-align:left}figure{margin:0}figure>svg[viewBox]{max-width:100%;height:auto}";

/// A picture for the report, with its caption.
#[derive(Debug, Clone)]
pub struct Picture {
    /// What it shows.
    pub caption: String,
    /// An SVG element.
    pub svg: String,
}

/// The report. `title` is the image's name, `summary` what was reached, in sentences.
pub fn page(title: &str, summary: &[String], boots: &[Boot], pictures: &[Picture]) -> String {
    let title = escape(title);
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}: grow to shrink</title>\
         <style>{STYLE}</style></head><body>\n<h1>{title}: grow to shrink</h1>\n"
    );
    for sentence in summary {
        let _ = writeln!(html, "<p>{}</p>", escape(sentence));
    }
    html += "<div class=\"charts\">\n";
    for chart in charts(boots) {
        let _ = writeln!(html, "<figure>{chart}</figure>");
    }
    html += "</div>\n";
    for picture in pictures {
        let caption = escape(&picture.caption);
        let _ = writeln!(html, "<h2>{caption}</h2>\n<figure>{}</figure>", picture.svg);
    }
    html += "<h2>Every boot</h2>\n";
    html += &table(boots);
    html += "</body></html>\n";
    html
}

fn charts(boots: &[Boot]) -> Vec<String> {
    let series = |value: &dyn Fn(&Boot) -> Option<f64>| {
        let points = boots
            .iter()
            .filter_map(|b| Some((f64::from(b.number), value(b)?)));
        vec![(String::new(), points.collect())]
    };
    let line = |title, unit, logarithmic, value: &dyn Fn(&Boot) -> Option<f64>| {
        plot::lines(&Chart {
            title,
            unit,
            series: series(value),
            logarithmic,
        })
    };
    let tiers = Chart {
        title: "Functions by tier",
        unit: "functions",
        series: TIERS
            .map(|tier| (tier.to_owned(), tier_points(boots, tier)))
            .into(),
        logarithmic: false,
    };
    [
        line("Size of what boots", "MB", true, &|b| {
            Some(b.image_bytes as f64 / 1e6)
        }),
        line("Kernel entry to main", "ms", true, &|b| b.main_ms),
        line("Kernel entry to first token", "s", true, &|b| {
            Some(b.first_token_ms? / 1e3)
        }),
        line("Speed", "tokens/s", false, &|b| b.tokens_per_second),
        line("Compile time", "s", false, &|b| Some(b.compile_ms / 1e3)),
        plot::layers(&tiers),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn tier_points(boots: &[Boot], tier: &str) -> Vec<(f64, f64)> {
    boots
        .iter()
        .filter(|b| !b.tiers.is_empty())
        .map(|b| {
            let count = b.tiers.get(tier).copied().unwrap_or(0);
            (f64::from(b.number), count as f64)
        })
        .collect()
}

fn table(boots: &[Boot]) -> String {
    let mut html = String::from(
        "<table><tr><th>boot</th><th>slot</th><th>size</th><th>main, ms</th><th>first token, s</th>\
         <th>tokens/s</th><th>compiles</th><th>compile, s</th><th>cold pages</th><th>events</th></tr>\n",
    );
    let optional = |value: Option<f64>, digits: usize| match value {
        Some(value) => format!("{value:.digits$}"),
        None => String::new(),
    };
    for boot in boots {
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.2}</td><td>{}</td><td>{}</td></tr>",
            boot.number,
            escape(&boot.slot),
            size(boot.image_bytes),
            optional(boot.main_ms, 1),
            optional(boot.first_token_ms.map(|ms| ms / 1e3), 2),
            optional(boot.tokens_per_second, 2),
            boot.compiles,
            boot.compile_ms / 1e3,
            boot.cold_misses,
            escape(&boot.events.join("; ")),
        );
    }
    html + "</table>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_needs_nothing_else_and_names_every_figure() {
        let boot = |number, slot: &str, image_bytes| Boot {
            number,
            slot: slot.into(),
            image_bytes,
            main_ms: Some(70.0),
            first_token_ms: Some(4000.0),
            tokens_per_second: Some(2.5),
            tiers: [("O3".to_owned(), 12), ("interp".to_owned(), 300)].into(),
            ..Boot::default()
        };
        let boots = [boot(1, "base", 45_000_000), boot(2, "native", 900_000)];
        let html = page("a<b.img", &["Converged.".into()], &boots, &[]);
        for part in [
            "a&lt;b.img",
            "Size of what boots",
            "Functions by tier",
            "45.0 MB",
            "900 KB",
        ] {
            assert!(html.contains(part), "{part}");
        }
        assert!(!html.contains("<script") && !html.contains("href=") && !html.contains("src="));
        assert_eq!(html.matches("<svg").count(), 6);
    }

    #[test]
    fn nothing_measured_gives_a_table_without_charts() {
        let html = page("x", &[], &[], &[]);
        assert_eq!(html.matches("<svg").count(), 0);
        assert!(html.contains("<table>"));
    }
}
