//! The tables as both databases have them. Kept by hand: the two migration trees differ in spelling only, and a test
//! compares all three.

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    organization (id) {
        id -> BigInt,
        name -> Text,
        secret_hash -> Binary,
        secret_sealed -> Binary,
        created_at -> UtcTimestamp,
        vendor_bearer -> Bool,
        settings -> Text,
        users_see_tokens -> Bool,
        limits -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    account (id) {
        id -> BigInt,
        organization_id -> BigInt,
        name -> Text,
        created_at -> UtcTimestamp,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    app_user (id) {
        id -> BigInt,
        organization_id -> BigInt,
        account_id -> BigInt,
        email -> Text,
        first_name -> Text,
        last_name -> Text,
        password_hash -> Text,
        secret_hash -> Binary,
        secret_sealed -> Binary,
        active -> Bool,
        organization_admin -> Bool,
        session_generation -> BigInt,
        last_login_at -> Nullable<UtcTimestamp>,
        created_at -> UtcTimestamp,
        removed_at -> Nullable<UtcTimestamp>,
        password_sealed -> Nullable<Binary>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    instance (id) {
        id -> BigInt,
        organization_id -> BigInt,
        account_id -> BigInt,
        element_id -> BigInt,
        element_key -> Text,
        name -> Text,
        tags -> Text,
        external_id -> Nullable<Text>,
        token_hash -> Binary,
        token_sealed -> Binary,
        authentication_type -> Text,
        external_authentication -> Text,
        configuration_sealed -> Binary,
        enabled -> Bool,
        invalid_reason -> Nullable<Text>,
        created_by -> BigInt,
        version -> BigInt,
        created_at -> UtcTimestamp,
        updated_at -> UtcTimestamp,
        connected -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    instance_tag (organization_id, account_id, tag, instance_id) {
        organization_id -> BigInt,
        account_id -> BigInt,
        tag -> Text,
        instance_id -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    credential (instance_id) {
        instance_id -> BigInt,
        organization_id -> BigInt,
        account_id -> BigInt,
        version -> BigInt,
        sealed -> Binary,
        grant_hash -> Nullable<Binary>,
        refreshable -> Bool,
        lifetime -> Nullable<BigInt>,
        expires_at -> Nullable<UtcTimestamp>,
        refreshed_at -> Nullable<UtcTimestamp>,
        due_at -> Nullable<UtcTimestamp>,
        refused_at -> Nullable<UtcTimestamp>,
        ends_at -> Nullable<UtcTimestamp>,
        tell_end_at -> Nullable<UtcTimestamp>,
        standing -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    instance_usage (instance_id) {
        instance_id -> BigInt,
        last_used_at -> UtcTimestamp,
        calls -> BigInt,
        failures -> BigInt,
        last_status -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    lease (name) {
        name -> Text,
        holder -> BigInt,
        beat -> BigInt,
        unsettled -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    oauth_grant (id) {
        id -> BigInt,
        organization_id -> BigInt,
        account_id -> BigInt,
        element_id -> BigInt,
        state_hash -> Binary,
        sealed -> Binary,
        created_at -> UtcTimestamp,
        expires_at -> UtcTimestamp,
        link_id -> Nullable<BigInt>,
        browser_hash -> Nullable<Binary>,
        handle_hash -> Nullable<Binary>,
        held_until -> Nullable<UtcTimestamp>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    idempotency (organization_id, account_id, key_hash) {
        organization_id -> BigInt,
        account_id -> BigInt,
        key_hash -> Binary,
        id -> BigInt,
        request_hash -> Binary,
        reply_sealed -> Nullable<Binary>,
        created_at -> UtcTimestamp,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    revocation (id) {
        id -> BigInt,
        organization_id -> BigInt,
        account_id -> BigInt,
        element_id -> BigInt,
        sealed -> Binary,
        attempts -> BigInt,
        due_at -> UtcTimestamp,
        created_at -> UtcTimestamp,
        instance_id -> Nullable<BigInt>,
        given_up -> Bool,
        has_work -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    revocation_order (id) {
        id -> BigInt,
        organization_id -> Nullable<BigInt>,
        element_id -> Nullable<BigInt>,
        ordered_at -> UtcTimestamp,
        passed_at -> Nullable<UtcTimestamp>,
        finished_at -> Nullable<UtcTimestamp>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    database_identity (id) {
        id -> Text,
        place -> Nullable<Text>,
        restored_at -> Nullable<UtcTimestamp>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    data_key (id) {
        id -> BigInt,
        purpose -> Text,
        sealed -> Binary,
        created_at -> UtcTimestamp,
        generation -> BigInt,
        retires_at -> Nullable<UtcTimestamp>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    id_block (name) {
        name -> Text,
        next -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    change (id) {
        id -> BigInt,
        kind -> Text,
        entity_id -> BigInt,
        created_at -> UtcTimestamp,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    partner_app (id) {
        id -> BigInt,
        organization_id -> BigInt,
        account_id -> BigInt,
        element_id -> BigInt,
        sealed -> Binary,
        created_at -> UtcTimestamp,
        updated_at -> UtcTimestamp,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    connect_link (id) {
        id -> BigInt,
        organization_id -> BigInt,
        account_id -> BigInt,
        token_hash -> Binary,
        token_sealed -> Binary,
        settings_sealed -> Binary,
        status -> Text,
        external_id -> Nullable<Text>,
        element_id -> Nullable<BigInt>,
        instance_id -> Nullable<BigInt>,
        outcome -> Text,
        created_by -> BigInt,
        version -> BigInt,
        created_at -> UtcTimestamp,
        updated_at -> UtcTimestamp,
        expires_at -> UtcTimestamp,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    webhook (id) {
        id -> BigInt,
        organization_id -> BigInt,
        url_sealed -> Nullable<Binary>,
        secrets_sealed -> Binary,
        created_at -> UtcTimestamp,
        updated_at -> UtcTimestamp,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    notice (id) {
        id -> BigInt,
        organization_id -> BigInt,
        account_id -> BigInt,
        link_id -> Nullable<BigInt>,
        subject -> Text,
        kind -> Text,
        message -> Text,
        payload -> Text,
        status -> Text,
        parked -> Bool,
        attempts -> BigInt,
        last_status -> Nullable<BigInt>,
        last_error -> Nullable<Text>,
        due_at -> UtcTimestamp,
        delivered_at -> Nullable<UtcTimestamp>,
        created_at -> UtcTimestamp,
        has_work -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    ended_session (user_id, session) {
        user_id -> BigInt,
        session -> Text,
        expires_at -> UtcTimestamp,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    session (user_id, id) {
        user_id -> BigInt,
        id -> Text,
        audience -> Text,
        address -> Nullable<Text>,
        began_at -> UtcTimestamp,
        expires_at -> UtcTimestamp,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    compatibility (oldest) {
        oldest -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    process (id) {
        id -> BigInt,
        server_run -> Nullable<BigInt>,
        seen_at -> UtcTimestamp,
        beat -> BigInt,
        works -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    secret_place (element_id, fingerprint) {
        element_id -> BigInt,
        fingerprint -> Text,
        same_vendor -> Bool,
        created_at -> UtcTimestamp,
        is_first -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    work (id) {
        id -> BigInt,
        organization_id -> BigInt,
        account_id -> BigInt,
        kind -> Text,
        about -> BigInt,
        share -> Text,
        lane -> Nullable<Text>,
        state -> Text,
        is_head -> Bool,
        due_at -> UtcTimestamp,
        attempts -> BigInt,
        process -> Nullable<BigInt>,
        refusal -> Nullable<Text>,
        body -> Text,
        created_at -> UtcTimestamp,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    audit_log (id) {
        id -> BigInt,
        organization_id -> Nullable<BigInt>,
        account_id -> Nullable<BigInt>,
        at -> UtcTimestamp,
        action -> Text,
        subject_kind -> Text,
        subject_id -> Nullable<BigInt>,
        actor -> Text,
        user_id -> Nullable<BigInt>,
        request_id -> Nullable<Text>,
        customer_hash -> Nullable<Binary>,
        names_hash -> Binary,
        names_sealed -> Nullable<Binary>,
        generation -> BigInt,
        row_hash -> Binary,
        sequence -> Nullable<BigInt>,
        chain_hash -> Nullable<Binary>,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    audit_head (id) {
        id -> Text,
        sequence -> BigInt,
        chain_hash -> Binary,
        lapsed_sequence -> BigInt,
        lapsed_hash -> Binary,
        generation -> BigInt,
        signature -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::super::time::UtcTimestamp;

    spent_code (organization_id, account_id, code_hash) {
        organization_id -> BigInt,
        account_id -> BigInt,
        code_hash -> Binary,
        id -> BigInt,
        request_hash -> Binary,
        instance_id -> Nullable<BigInt>,
        outcome -> Nullable<Text>,
        attempts -> BigInt,
        created_at -> UtcTimestamp,
        newer_sealed -> Nullable<Binary>,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    instance_import (organization_id, account_id, import_id) {
        organization_id -> BigInt,
        account_id -> BigInt,
        import_id -> Text,
        instance_id -> BigInt,
    }
}

diesel::joinable!(credential -> instance (instance_id));
diesel::joinable!(instance_import -> instance (instance_id));
diesel::joinable!(instance_usage -> instance (instance_id));
diesel::joinable!(instance -> app_user (created_by));
diesel::joinable!(app_user -> organization (organization_id));

diesel::allow_tables_to_appear_in_same_query!(connect_link, notice);
diesel::allow_tables_to_appear_in_same_query!(lease, process);
diesel::allow_tables_to_appear_in_same_query!(revocation, work);
diesel::allow_tables_to_appear_in_same_query!(
    account,
    app_user,
    credential,
    instance,
    instance_import,
    instance_tag,
    instance_usage,
    organization,
    ended_session,
    session
);
