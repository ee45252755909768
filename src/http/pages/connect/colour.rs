//! An organization's colour, moved as far as it must be to be read: 4.5 to 1 against every ground (WCAG 2.2, 1.4.3).

/// Red, green, blue.
type Colour = [u8; 3];

/// The darkest light ground and the lightest dark one of `page.css`.
const LIGHT_GROUND: Colour = [0xf4, 0xf4, 0xf1];
const DARK_GROUND: Colour = [0x20, 0x25, 0x2d];
const BLACK: Colour = [0; 3];
const WHITE: Colour = [255; 3];
const ENOUGH: f64 = 4.5;
/// Into how many steps the way to black or white is cut.
const STEPS: u16 = 40;

/// A style sheet that puts the colour into the place of the page's own.
pub fn style(colour: &str) -> Option<String> {
    let colour = read(colour)?;
    let set = |ground, away| {
        let accent = readable(colour, ground, away);
        let ink = if contrast(accent, WHITE) >= contrast(accent, BLACK) { WHITE } else { BLACK };
        format!("--accent: {}; --accent-ink: {};", written(accent), written(ink))
    };
    let (light, dark) = (set(LIGHT_GROUND, BLACK), set(DARK_GROUND, WHITE));
    Some(format!(":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"))
}

fn read(text: &str) -> Option<Colour> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
    let part = |at: usize| u8::from_str_radix(digits.get(at..at.checked_add(2)?)?, 16).ok();
    Some([part(0)?, part(2)?, part(4)?])
}

fn written([red, green, blue]: Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The first colour on the way to `away` that can be read.
fn readable(colour: Colour, ground: Colour, away: Colour) -> Colour {
    let steps = (0..=STEPS).map(|step| mixed(colour, away, step));
    steps.into_iter().find(|mixed| contrast(*mixed, ground) >= ENOUGH).unwrap_or(away)
}

fn mixed(from: Colour, to: Colour, step: u16) -> Colour {
    let mut mixed = from;
    for (part, to) in mixed.iter_mut().zip(to) {
        let rest = STEPS.saturating_sub(step);
        let sum = u16::from(*part).saturating_mul(rest).saturating_add(u16::from(to).saturating_mul(step));
        *part = u8::try_from(sum.checked_div(STEPS).unwrap_or(0)).unwrap_or(u8::MAX);
    }
    mixed
}

/// WCAG 2.2, "contrast ratio".
fn contrast(one: Colour, other: Colour) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// WCAG 2.2, "relative luminance".
fn luminance(colour: Colour) -> f64 {
    let [red, green, blue] = colour.map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_can_be_read_on_both_grounds() {
        let parts = [0, 0x33, 0x66, 0x99, 0xcc, 0xff];
        for colour in parts.iter().flat_map(|r| parts.iter().flat_map(move |g| parts.map(|b| [*r, *g, b]))) {
            for (ground, away) in [(LIGHT_GROUND, BLACK), (DARK_GROUND, WHITE)] {
                let accent = readable(colour, ground, away);
                assert!(contrast(accent, ground) >= ENOUGH, "{colour:?} on {ground:?}");
                assert!(contrast(accent, BLACK).max(contrast(accent, WHITE)) >= ENOUGH, "{colour:?}");
            }
        }
        assert!((contrast(BLACK, WHITE) - 21.0).abs() < 0.01);
    }

    #[test]
    fn a_colour_that_can_be_read_stays() {
        let style = style("#1a56db").unwrap();
        assert!(style.starts_with(":root { --accent: #1a56db; --accent-ink: #ffffff; }"), "{style}");
        for wrong in ["", "#fff", "1a56db", "#1a56dg", "#éé56d", "red"] {
            assert!(super::style(wrong).is_none(), "{wrong}");
        }
    }
}
