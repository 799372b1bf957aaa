-- Statements: the postings of one account, newest first, each with the balance it left behind.
--
-- Each side of the account is one walk down an index. The newest line of a page gets its balance from the totals at that place;
-- the lines below it follow by subtraction, so a page costs the same wherever it lies. Debits count positive here; the reader
-- turns the sign for accounts that grow by credits. A line's place is (major, minor).

CREATE TYPE ledger_statement_line AS (
    entry_id bigint, other_id bigint, change bigint, balance bigint, major bigint, minor smallint
);

-- An account that posting writes: its lines are numbered by seq, and repeat the totals.
CREATE FUNCTION ledger_statement(p_account bigint, p_before bigint, p_limit int) RETURNS SETOF ledger_statement_line
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    WITH page AS (
        (SELECT entry_id, credit_id AS other_id, amount AS change, debit_seq AS seq
         FROM ledger_posting
         WHERE debit_id = p_account AND debit_seq < p_before
         ORDER BY debit_seq DESC LIMIT p_limit)
        UNION ALL
        (SELECT entry_id, debit_id, -amount, credit_seq
         FROM ledger_posting
         WHERE credit_id = p_account AND credit_seq < p_before
         ORDER BY credit_seq DESC LIMIT p_limit)
        ORDER BY seq DESC LIMIT p_limit
    ),
    newest AS MATERIALIZED (
        SELECT
            coalesce((
                SELECT debit_total FROM ledger_posting
                WHERE debit_id = p_account AND debit_seq <= top.seq
                ORDER BY debit_seq DESC LIMIT 1
            ), 0)
            - coalesce((
                SELECT credit_total FROM ledger_posting
                WHERE credit_id = p_account AND credit_seq <= top.seq
                ORDER BY credit_seq DESC LIMIT 1
            ), 0) AS balance
        FROM (SELECT max(seq) AS seq FROM page) top
    )
    SELECT
        page.entry_id, page.other_id, page.change,
        newest.balance - coalesce(sum(page.change) OVER later_lines, 0)::bigint,
        page.seq, 0::smallint
    FROM page CROSS JOIN newest
    WINDOW later_lines AS (ORDER BY page.seq DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ORDER BY page.seq DESC
$$;

-- A deferred account: its lines are ordered by entry and line. The page's newest line gets its balance from the next checkpoint
-- after it, or from the last one before it: whatever lies between the two is added or taken away.
CREATE FUNCTION ledger_statement_of_deferred(
    p_account bigint, p_before_entry bigint, p_before_line smallint, p_limit int
) RETURNS SETOF ledger_statement_line
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    WITH page AS MATERIALIZED (
        (SELECT entry_id, line, credit_id AS other_id, amount AS change
         FROM ledger_posting
         WHERE debit_id = p_account AND debit_seq IS NULL
           AND entry_id <= p_before_entry AND (entry_id, line) < (p_before_entry, p_before_line)
         ORDER BY debit_seq DESC, entry_id DESC, line DESC LIMIT p_limit)
        UNION ALL
        (SELECT entry_id, line, debit_id, -amount
         FROM ledger_posting
         WHERE credit_id = p_account AND credit_seq IS NULL
           AND entry_id <= p_before_entry AND (entry_id, line) < (p_before_entry, p_before_line)
         ORDER BY credit_seq DESC, entry_id DESC, line DESC LIMIT p_limit)
        ORDER BY entry_id DESC, line DESC LIMIT p_limit
    ),
    top AS MATERIALIZED (
        SELECT entry_id, line FROM page ORDER BY entry_id DESC, line DESC LIMIT 1
    ),
    checkpoint AS MATERIALIZED (
        SELECT upto_entry, balance
        FROM (
            (SELECT 1 AS preference, upto_entry, debits - credits AS balance FROM ledger_checkpoint
             WHERE account_id = p_account AND upto_entry >= (SELECT entry_id FROM top)
             ORDER BY upto_entry LIMIT 1)
            UNION ALL
            (SELECT 2, upto_entry, debits - credits FROM ledger_checkpoint
             WHERE account_id = p_account AND upto_entry < (SELECT entry_id FROM top)
             ORDER BY upto_entry DESC LIMIT 1)
            UNION ALL
            SELECT 3, 0, 0
        ) candidate
        ORDER BY preference LIMIT 1
    ),
    newest AS MATERIALIZED (
        SELECT checkpoint.balance + coalesce((
            SELECT sum(CASE WHEN between_them.entry_id > checkpoint.upto_entry THEN change ELSE -change END)
            FROM (
                SELECT entry_id, line, amount AS change FROM ledger_posting
                WHERE debit_id = p_account AND debit_seq IS NULL
                  AND entry_id >= least(checkpoint.upto_entry + 1, top.entry_id)
                  AND entry_id <= greatest(checkpoint.upto_entry, top.entry_id)
                UNION ALL
                SELECT entry_id, line, -amount FROM ledger_posting
                WHERE credit_id = p_account AND credit_seq IS NULL
                  AND entry_id >= least(checkpoint.upto_entry + 1, top.entry_id)
                  AND entry_id <= greatest(checkpoint.upto_entry, top.entry_id)
            ) between_them
            WHERE (between_them.entry_id > checkpoint.upto_entry)
                  = ((between_them.entry_id, between_them.line) <= (top.entry_id, top.line))
        ), 0)::bigint AS balance
        FROM checkpoint CROSS JOIN top
    )
    SELECT
        page.entry_id, page.other_id, page.change,
        newest.balance - coalesce(sum(page.change) OVER later_lines, 0)::bigint,
        page.entry_id, page.line
    FROM page CROSS JOIN newest
    WINDOW later_lines AS (
        ORDER BY page.entry_id DESC, page.line DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
    ORDER BY page.entry_id DESC, page.line DESC
$$;
