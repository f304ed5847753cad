//! Draws a report as one HTML page with an SVG treemap: area is size of code, colour is how much of it ran.
//!
//! Libraries are cut into objects. Rectangles are laid out in rows that are as square as they get (Bruls, Huizing, van
//! Wijk: "Squarified Treemaps"). The page needs nothing from outside.

use std::fmt::Write;

use crate::report::{Report, Use};

/// Size of the picture in its own units.
const WIDTH: f64 = 1600.0;
/// See [`WIDTH`].
const HEIGHT: f64 = 900.0;
/// Room for a library's name.
const TITLE: f64 = 14.0;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Rect {
    x: f64,
    y: f64,
    w: f64,
    h: f64,
}

/// The page.
pub fn html(report: &Report, title: &str) -> String {
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n<style>\
         body{{font:14px sans-serif;margin:1em}}svg{{width:100%;height:auto}}\
         text{{font:11px sans-serif;pointer-events:none}}rect{{stroke:#fff;stroke-width:.5}}\
         table{{border-collapse:collapse}}td,th{{padding:1px 8px;text-align:right}}\
         td:first-child,th:first-child{{text-align:left}}</style></head><body>\n<h1>{0}</h1>\n",
        escaped(title)
    );
    let _ = writeln!(
        out,
        "<p>LLVM: {:.1} % of {} functions and {:.1} % of {} bytes never ran in {} measured boots. \
         Area: bytes of code. Red: all of it ran; grey: none.</p>",
        100.0 * report.llvm.dead_functions(),
        report.llvm.functions,
        100.0 * report.llvm.dead_bytes(),
        report.llvm.bytes,
        report.boots
    );
    out.push_str(&svg(report));
    out.push_str(
        "<table><tr><th>library</th><th>functions</th><th>ran</th><th>bytes</th><th>ran</th><th>dead</th></tr>\n",
    );
    for library in &report.libraries {
        let used = &library.used;
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.1} %</td></tr>",
            escaped(&library.name),
            used.functions,
            used.functions_run,
            used.bytes,
            used.bytes_run,
            100.0 * used.dead_bytes()
        );
    }
    out.push_str("</table></body></html>\n");
    out
}

/// The picture alone.
pub fn svg(report: &Report) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-size=\"11\">\n"
    );
    let whole = Rect {
        x: 0.0,
        y: 0.0,
        w: WIDTH,
        h: HEIGHT,
    };
    let sizes: Vec<usize> = report.libraries.iter().map(|l| l.used.bytes).collect();
    for (library, area) in report.libraries.iter().zip(squarified(&sizes, whole)) {
        let title = if area.h > 3.0 * TITLE { TITLE } else { 0.0 };
        let inner = Rect {
            y: area.y + title,
            h: area.h - title,
            ..area
        };
        let sizes: Vec<usize> = library.objects.iter().map(|o| o.used.bytes).collect();
        for (object, area) in library.objects.iter().zip(squarified(&sizes, inner)) {
            rectangle(&mut out, area, &library.name, &object.name, &object.used);
        }
        if title > 0.0 {
            label(&mut out, area, &library.name, "#000");
        }
        let Rect { x, y, w, h } = area;
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"none\" stroke=\"#000\"/>"
        );
    }
    out.push_str("</svg>\n");
    out
}

fn rectangle(out: &mut String, area: Rect, library: &str, object: &str, used: &Use) {
    let Rect { x, y, w, h } = area;
    if w < 0.3 || h < 0.3 {
        return;
    }
    // From grey to red.
    let ran = 1.0 - used.dead_bytes();
    let mix = |cold: f64, hot: f64| (cold + (hot - cold) * ran) as u8;
    let _ = writeln!(
        out,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"#{:02x}{:02x}{:02x}\"><title>{}/{}: \
         {} of {} functions, {} of {} bytes ran</title></rect>",
        mix(205.0, 226.0),
        mix(208.0, 87.0),
        mix(212.0, 76.0),
        escaped(library),
        escaped(object),
        used.functions_run,
        used.functions,
        used.bytes_run,
        used.bytes
    );
    if h > TITLE {
        label(out, area, object, "#333");
    }
}

/// As much of a name as fits.
fn label(out: &mut String, area: Rect, name: &str, colour: &str) {
    let letters = (area.w / 6.2) as usize;
    if letters >= 3 {
        let text: String = name.chars().take(letters).collect();
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>",
            area.x + 2.0,
            area.y + 11.0,
            escaped(&text)
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A rectangle for each size, which descend; empty ones for zero.
fn squarified(sizes: &[usize], area: Rect) -> Vec<Rect> {
    let total: f64 = sizes.iter().map(|&size| size as f64).sum();
    let scale = if total > 0.0 {
        area.w * area.h / total
    } else {
        0.0
    };
    let mut rest = area;
    let mut out = Vec::with_capacity(sizes.len());
    let mut at = 0;
    while at < sizes.len() {
        let side = rest.w.min(rest.h).max(1e-9);
        // The worst shape of a row of the sizes at..end.
        let worst = |end: usize| -> f64 {
            let row: f64 = sizes[at..end].iter().map(|&size| size as f64 * scale).sum();
            let thickness = row / side;
            let shape = |&size: &usize| {
                let length = (size as f64 * scale / thickness.max(1e-9)).max(1e-9);
                (length / thickness.max(1e-9)).max(thickness / length)
            };
            sizes[at..end].iter().map(shape).fold(0.0, f64::max)
        };
        let mut end = at + 1;
        while end < sizes.len() && worst(end + 1) <= worst(end) {
            end += 1;
        }
        let row: f64 = sizes[at..end].iter().map(|&size| size as f64 * scale).sum();
        let thickness = row / side;
        let upright = rest.w >= rest.h;
        let mut along = 0.0;
        for &size in &sizes[at..end] {
            let length = size as f64 * scale / thickness.max(1e-9);
            out.push(match upright {
                true => Rect {
                    x: rest.x,
                    y: rest.y + along,
                    w: thickness,
                    h: length,
                },
                false => Rect {
                    x: rest.x + along,
                    y: rest.y,
                    w: length,
                    h: thickness,
                },
            });
            along += length;
        }
        match upright {
            true => {
                rest.x += thickness;
                rest.w = (rest.w - thickness).max(0.0);
            }
            false => {
                rest.y += thickness;
                rest.h = (rest.h - thickness).max(0.0);
            }
        }
        at = end;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_in_proportion_and_inside() {
        let whole = Rect {
            x: 0.0,
            y: 0.0,
            w: 600.0,
            h: 400.0,
        };
        let sizes = [6, 6, 4, 3, 2, 2, 1, 0];
        let found = squarified(&sizes, whole);
        assert_eq!(found.len(), sizes.len());
        for (rect, size) in found.iter().zip(sizes) {
            let expected = 240_000.0 * size as f64 / 24.0;
            assert!((rect.w * rect.h - expected).abs() < 1.0, "{rect:?} {size}");
            assert!(rect.x >= -0.01 && rect.x + rect.w <= 600.01, "{rect:?}");
            assert!(rect.y >= -0.01 && rect.y + rect.h <= 400.01, "{rect:?}");
        }
        assert_eq!(squarified(&[], whole), []);
    }

    #[test]
    fn the_page_needs_nothing_from_outside() {
        let (_, link) = crate::evict::tests::tiny();
        let coverage = crate::Coverage::new(&link);
        let page = html(&crate::report::report(&link, &coverage), "a <b>");
        assert!(page.contains("a &lt;b&gt;") && page.contains("LLVMCore/Value"));
        assert!(!page.contains("src=") && !page.contains("href="));
    }
}
