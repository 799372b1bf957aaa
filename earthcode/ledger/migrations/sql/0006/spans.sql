-- Spans: for every thousand postings of an account their sums, and from when to when they count. A balance at a past moment then
-- adds up spans, and reads line by line only those that lie on both sides of the moment, and what follows the last one.
--
-- A span covers what lies after one place of its account and up to another: places are numbers of postings, or, for a deferred
-- account, numbers of entries. Nothing can be posted any more at a place that a span may reach: numbers are given in order under
-- the lock on the account's row, and all entries are there up to the one to which a checkpoint brought a deferred account. So an
-- account has one next span, whoever asks for it and how often, and no posting waits for it.

-- How many postings a span has; of a deferred account sometimes a few more, because no entry is divided.
CREATE FUNCTION ledger_span_size() RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT 1000::bigint $$;

-- The postings of an account after one place and up to another. It says where the tables are instead of setting a search path, so
-- that PostgreSQL makes it a part of the query that calls it. OFFSET 0 has each entry looked up: the planner expects more postings
-- than there are, and would rather read all entries.
CREATE FUNCTION ledger_postings_between(p_account bigint, p_deferred boolean, p_after bigint, p_upto bigint)
RETURNS TABLE (debit bigint, credit bigint, effective_at timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT side.debit, side.credit, entry.effective_at
    FROM (
        SELECT entry_id, amount AS debit, 0::bigint AS credit FROM public.ledger_posting
        WHERE NOT p_deferred AND debit_id = p_account AND debit_seq > p_after AND debit_seq <= p_upto
        UNION ALL
        SELECT entry_id, 0, amount FROM public.ledger_posting
        WHERE NOT p_deferred AND credit_id = p_account AND credit_seq > p_after AND credit_seq <= p_upto
        UNION ALL
        SELECT entry_id, amount, 0 FROM public.ledger_posting
        WHERE p_deferred AND debit_id = p_account AND debit_seq IS NULL AND entry_id > p_after AND entry_id <= p_upto
        UNION ALL
        SELECT entry_id, 0, amount FROM public.ledger_posting
        WHERE p_deferred AND credit_id = p_account AND credit_seq IS NULL AND entry_id > p_after AND entry_id <= p_upto
    ) side
    CROSS JOIN LATERAL (SELECT effective_at FROM public.ledger_entry WHERE id = side.entry_id OFFSET 0) entry
$$;

-- Inserting a span is asking for the next one of an account: the trigger works it out, whatever the INSERT says.
CREATE FUNCTION ledger_write_span() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    size CONSTANT bigint := ledger_span_size();
    account ledger_account;
    previous ledger_span;
    sums record;
BEGIN
    SELECT * INTO account FROM ledger_account WHERE id = NEW.account_id;
    SELECT * INTO previous FROM ledger_span WHERE account_id = NEW.account_id ORDER BY upto DESC LIMIT 1;
    NEW.after := coalesce(previous.upto, 0);
    NEW.upto := NEW.after + size;
    IF account.deferred THEN
        SELECT entry_id INTO NEW.upto
        FROM (
            (SELECT entry_id FROM ledger_posting
             WHERE debit_id = account.id AND debit_seq IS NULL AND entry_id > NEW.after AND entry_id <= account.rolled_to
             ORDER BY debit_seq, entry_id LIMIT size)
            UNION ALL
            (SELECT entry_id FROM ledger_posting
             WHERE credit_id = account.id AND credit_seq IS NULL AND entry_id > NEW.after AND entry_id <= account.rolled_to
             ORDER BY credit_seq, entry_id LIMIT size)
        ) posting
        ORDER BY entry_id OFFSET size - 1 LIMIT 1;
    END IF;
    SELECT sum(debit) AS debits, sum(credit) AS credits, count(*) AS postings,
           min(effective_at) AS first_at, max(effective_at) AS last_at
    INTO sums
    FROM ledger_postings_between(account.id, account.deferred, NEW.after, NEW.upto);
    IF sums.postings < size THEN
        RETURN NULL;
    END IF;
    NEW.seq := coalesce(previous.seq, 0) + sums.postings;
    NEW.debits := sums.debits;
    NEW.credits := sums.credits;
    NEW.first_at := sums.first_at;
    NEW.last_at := sums.last_at;
    RETURN NEW;
END
$$;

CREATE TRIGGER ledger_write_span BEFORE INSERT ON ledger_span
    FOR EACH ROW EXECUTE FUNCTION ledger_write_span();
CREATE TRIGGER ledger_span_append_only BEFORE UPDATE OR DELETE ON ledger_span
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse('spans do not change');
CREATE TRIGGER ledger_span_not_truncated BEFORE TRUNCATE ON ledger_span
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('the books are kept');

-- Writes the next span of an account; false if it has not enough postings yet, or if somebody else wrote it meanwhile.
CREATE FUNCTION ledger_span(p_account bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_span (account_id) VALUES (p_account) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$$;

-- What an account had come to at a moment: everything that counted by then, whenever it was written. Compiling the query would take
-- longer than running it.
CREATE OR REPLACE FUNCTION ledger_balance_at(p_code text, p_at timestamptz) RETURNS bigint
LANGUAGE sql STABLE SET search_path = public, pg_temp SET jit = off AS $$
    SELECT CASE WHEN account.class IN ('asset', 'expense') THEN 1 ELSE -1 END * (
        coalesce((
            SELECT sum(debits - credits) FROM ledger_span span WHERE span.account_id = account.id AND span.last_at <= p_at
        ), 0)
        + coalesce((
            SELECT sum(posting.debit - posting.credit)
            FROM ledger_span span
            CROSS JOIN LATERAL ledger_postings_between(account.id, account.deferred, span.after, span.upto) posting
            WHERE span.account_id = account.id AND span.first_at <= p_at AND span.last_at > p_at
              AND posting.effective_at <= p_at
        ), 0)
        + coalesce((
            SELECT sum(posting.debit - posting.credit)
            FROM (SELECT coalesce(max(upto), 0) AS upto FROM ledger_span span WHERE span.account_id = account.id) last
            CROSS JOIN LATERAL
                ledger_postings_between(account.id, account.deferred, last.upto, 9223372036854775807) posting
            WHERE posting.effective_at <= p_at
        ), 0)
    )::bigint
    FROM ledger_account account WHERE account.code = p_code
$$;
