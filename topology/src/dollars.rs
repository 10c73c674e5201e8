//! `$` in texts: what compose's interpolation and Kubernetes' expansion have in common.

/// A copy of `text` in which `$$` is `$`. `reference` gets what stands behind any other `$`: it writes the value, and returns what comes after it.
///
/// # Errors
/// Those of `reference`.
pub fn replace<'t, E>(text: &'t str, mut reference: impl FnMut(&'t str, &mut String) -> Result<&'t str, E>) -> Result<String, E> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once('$') {
        out.push_str(before);
        rest = match behind.strip_prefix('$') {
            Some(after) => {
                out.push('$');
                after
            }
            None => reference(behind, &mut out)?,
        };
    }
    out.push_str(rest);
    Ok(out)
}
