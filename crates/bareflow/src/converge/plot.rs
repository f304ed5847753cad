//! Charts as SVG: one figure over the boots, and shares that add up.

use plotters::prelude::*;

/// Width and height of a chart in pixels.
const SIZE: (u32, u32) = (620, 300);
/// Colours of the series, told apart by lightness too.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x88, 0x88, 0x88),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0x00, 0x45, 0x8B),
    RGBColor(0xCC, 0x33, 0x77),
];

/// What a chart shows: `(boot, value)` for each series.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart<'a> {
    /// Heading, which names the figure.
    pub title: &'a str,
    /// Unit of the vertical axis.
    pub unit: &'a str,
    /// Name and points of each line. Several lines get a legend.
    pub series: Vec<(String, Vec<(f64, f64)>)>,
    /// Powers of ten on the vertical axis.
    pub logarithmic: bool,
}

/// The chart as an SVG element; `None` where nothing was measured.
pub fn lines(chart: &Chart<'_>) -> Option<String> {
    let points = || chart.series.iter().flat_map(|(_, points)| points);
    let (first, last, most) = extent(points())?;
    let positive = points().map(|p| p.1).filter(|v| *v > 0.0);
    let least = positive.fold(most, f64::min);
    let scale = |value: f64| match chart.logarithmic {
        true => value.max(least).log10(),
        false => value,
    };
    let (low, high) = match chart.logarithmic {
        true => (
            least.log10().floor(),
            most.log10().ceil().max(least.log10().floor() + 1.0),
        ),
        false => (0.0, most * 1.1),
    };
    let mut svg = String::new();
    let drawn = (|| {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut context = frame(&area, chart.title).build_cartesian_2d(first..last, low..high)?;
        context
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("boot")
            .y_desc(chart.unit)
            .y_label_formatter(&|value| match chart.logarithmic {
                true => number(10f64.powf(*value)),
                false => number(*value),
            })
            .draw()?;
        for (index, (name, points)) in chart.series.iter().enumerate() {
            let colour = COLOURS[(index + 4) % COLOURS.len()];
            let scaled = points.iter().map(|&(boot, value)| (boot, scale(value)));
            context
                .draw_series(LineSeries::new(scaled, colour.stroke_width(2)).point_size(2))?
                .label(name.as_str())
                .legend(move |at| swatch(at, colour));
        }
        if chart.series.len() > 1 {
            context
                .configure_series_labels()
                .background_style(WHITE.mix(0.8))
                .draw()?;
        }
        area.present()
    })();
    drawn.ok().map(|()| svg)
}

/// The series as layers on top of each other: shares of a sum.
pub fn layers(chart: &Chart<'_>) -> Option<String> {
    let mut sums: Vec<(f64, f64)> = Vec::new();
    let mut stacked = Vec::new();
    for (name, points) in &chart.series {
        if sums.is_empty() {
            sums = points.iter().map(|p| (p.0, 0.0)).collect();
        }
        for (sum, point) in sums.iter_mut().zip(points) {
            sum.1 += point.1;
        }
        stacked.push((name, sums.clone()));
    }
    let (first, last, most) = extent(stacked.last()?.1.iter())?;
    let mut svg = String::new();
    let drawn = (|| {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut context =
            frame(&area, chart.title).build_cartesian_2d(first..last, 0.0..most * 1.1)?;
        context
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("boot")
            .y_desc(chart.unit)
            .draw()?;
        // The highest layer first, so that lower ones stay in sight.
        for (index, (name, points)) in stacked.iter().enumerate().rev() {
            let colour = COLOURS[index % COLOURS.len()];
            context
                .draw_series(AreaSeries::new(
                    points.iter().copied(),
                    0.0,
                    colour.filled(),
                ))?
                .label(name.as_str())
                .legend(move |at| swatch(at, colour));
        }
        context
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .draw()?;
        area.present()
    })();
    drawn.ok().map(|()| svg)
}

/// First and last boot, and the largest value. A single boot gets some width.
fn extent<'a>(points: impl Iterator<Item = &'a (f64, f64)>) -> Option<(f64, f64, f64)> {
    let mut found: Option<(f64, f64, f64)> = None;
    for &(x, y) in points {
        let (first, last, most) = found.unwrap_or((x, x, 0.0));
        found = Some((first.min(x), last.max(x), most.max(y)));
    }
    let (first, last, most) = found?;
    let last = if last > first { last } else { first + 1.0 };
    Some((first, last, if most > 0.0 { most } else { 1.0 }))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn frame<'a, 'b>(area: &'a Area<'b>, title: &str) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder
        .margin(12)
        .caption(title, ("sans-serif", 18))
        .x_label_area_size(34)
        .y_label_area_size(72);
    builder
}

/// A label with no more digits than it needs.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 10.0 || v.fract() == 0.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

fn swatch((x, y): (i32, i32), colour: RGBColor) -> Rectangle<(i32, i32)> {
    Rectangle::new([(x, y - 4), (x + 12, y + 4)], colour.filled())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: &[(f64, f64)]) -> Chart<'static> {
        Chart {
            title: "Image size",
            unit: "MB",
            series: vec![
                ("base".into(), points.to_vec()),
                ("all".into(), points.to_vec()),
            ],
            logarithmic: false,
        }
    }

    #[test]
    fn a_chart_names_its_figure_unit_and_series() {
        let svg = lines(&chart(&[(1.0, 45.0), (2.0, 0.9)])).unwrap();
        for part in ["<svg", "Image size", "MB", "boot", "base", "</svg>"] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        let layered = layers(&chart(&[(1.0, 3.0), (2.0, 4.0)])).unwrap();
        assert!(
            layered.contains("<polygon") && layered.contains("all"),
            "{layered}"
        );
    }

    #[test]
    fn one_boot_zeros_and_nothing_are_drawn_or_left_out() {
        assert!(lines(&chart(&[(7.0, 0.0)])).is_some());
        assert!(lines(&chart(&[])).is_none());
        assert!(layers(&chart(&[])).is_none());
        let mut wide = chart(&[(1.0, 45e6), (2.0, 9e5)]);
        wide.logarithmic = true;
        assert!(lines(&wide).is_some());
    }
}
