//! Scopes in plain words, for the consent page.

/// The scopes whose names do not explain themselves; the others follow a pattern.
const KNOWN: [(&str, &str); 20] = [
    ("oauth", "Know which account it is connected to"),
    ("contacts", "Read and change contacts, companies and deals, their properties and lists"),
    ("timeline", "Show events on the timelines of records"),
    ("files", "Read and upload files in the file manager"),
    ("content", "Read and change pages, blog posts, e-mails and templates"),
    ("reports", "Read reports and analytics"),
    ("social", "Read and publish social media posts"),
    ("automation", "Read workflows and enroll records in them"),
    ("forms", "Read and change forms and their submissions"),
    ("hubdb", "Read and change HubDB tables"),
    ("tickets", "Read and change tickets"),
    ("e-commerce", "Read and change products, line items and orders"),
    ("transactional-email", "Send transactional e-mails"),
    ("marketing-email", "Read and send marketing e-mails"),
    ("integration-sync", "Synchronise e-commerce data"),
    ("business-intelligence", "Read business intelligence reports"),
    ("crm.import", "Import records"),
    ("crm.export", "Export records"),
    ("crm.dealsplits.read_write", "Read and change how deals are split"),
    ("settings.users.teams.read", "Read the account's teams"),
];

/// One line of plain words; an unknown scope speaks for itself.
pub fn in_words(scope: &str) -> String {
    if let Some((_, words)) = KNOWN.iter().find(|(name, _)| *name == scope) {
        return (*words).to_owned();
    }
    by_pattern(scope).unwrap_or_else(|| format!("Use “{scope}”"))
}

/// `crm.objects.line_items.write` → `Change line items`.
fn by_pattern(scope: &str) -> Option<String> {
    let (family, verb) = scope.rsplit_once('.')?;
    let verb = match verb {
        "read" => "Read",
        "write" => "Change",
        "read_write" => "Read and change",
        _ => return None,
    };
    let (group, object) = family.rsplit_once('.').unwrap_or(("", family));
    let object = object.replace('_', " ");
    Some(match group {
        "crm.schemas" => format!("{verb} the properties of {object}"),
        "crm" | "crm.objects" | "" => format!("{verb} {object}"),
        "settings" => format!("{verb} the account’s {object}"),
        _ => format!("{verb} {object} ({group})"),
    })
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn every_scope_has_words() {
        for (scope, words) in [
            ("timeline", "Show events on the timelines of records"),
            ("crm.objects.line_items.write", "Change line items"),
            ("crm.schemas.deals.read", "Read the properties of deals"),
            ("settings.currencies.read", "Read the account’s currencies"),
            ("communication_preferences.read_write", "Read and change communication preferences"),
            ("something-new", "Use “something-new”"),
        ] {
            assert_eq!(in_words(scope), words);
        }
    }
}
