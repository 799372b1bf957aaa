-- Batches: many entries in one call, each as if it had been posted by itself, one after the other.
--
-- A whole batch is written by a handful of statements instead of a handful for each entry. That is right only where no entry can
-- be refused or replayed, whatever came before it. ledger_write_batch first proves this of a batch and otherwise writes nothing;
-- ledger_post_batch then halves the batch, and a few entries are posted one by one. So a batch refuses exactly what ledger_post
-- and ledger_capture refuse, because it is they who refuse.
--
-- The planner must not be left to guess how many elements an array has, nor to loop over one array for each element of another;
-- hence the settings of the functions. What is looked up in large tables is looked up by "= ANY (array)", a walk down an index.
-- Arrays with an element for each line are taken apart in a list of columns, which streams them; in FROM, PostgreSQL first stores
-- each by itself, which takes three times as long.

-- The draft of a batch, as ledger_draft is that of an entry. Inserting a row runs ledger_write_batch; no row comes back if the
-- batch could not be proved, and then nothing was written.
CREATE OR REPLACE VIEW ledger_batch_draft AS
SELECT
    NULL::text AS actor,
    -- an element for each entry
    NULL::uuid[] AS idempotency_keys,
    NULL::bytea[] AS request_hashes,
    NULL::text[] AS kinds,
    NULL::bigint[] AS hold_ids,
    NULL::text[] AS reasons,
    NULL::timestamptz[] AS effective_ats,
    -- an element for each line, the lines of one entry next to each other
    NULL::int[] AS entry_places,       -- which of the entries the line belongs to, counted from 1
    NULL::bigint[] AS debit_ids,
    NULL::bigint[] AS credit_ids,
    NULL::bigint[] AS amounts,
    -- what comes back
    NULL::bigint[] AS entry_ids
WHERE false;

-- The type ledger_flow (migration 0004): all lines of a batch that flow between the same accounts for the same hold, or for none.

-- Like sum(), which adds whole numbers up as numeric: that took a tenth of the time of a batch. Raises when the sum is too large.
CREATE OR REPLACE AGGREGATE ledger_sum(bigint) (SFUNC = int8pl, STYPE = bigint, INITCOND = '0');

CREATE OR REPLACE FUNCTION ledger_write_batch() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp SET enable_nestloop = off SET jit = off
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    entries CONSTANT int := coalesce(cardinality(NEW.idempotency_keys), 0);
    line_count CONSTANT int := coalesce(cardinality(NEW.amounts), 0);
    -- Of each line: its number in its entry, and what its entry says.
    line_numbers smallint[];
    line_hold_ids bigint[];
    line_ats timestamptz[];
    line_entry_ids bigint[];
    flows ledger_flow[];
    holds ledger_hold[];
    account_ids bigint[];
    accounts ledger_account[];
    locked ledger_account[];
    locked_ids bigint[];
    written bigint;
BEGIN
    -- Each entry is one that ledger_write would take, and has lines.
    IF entries = 0 OR coalesce(NEW.actor, '') = '' OR EXISTS (
        SELECT FROM (SELECT unnest(NEW.kinds) AS kind, unnest(NEW.hold_ids) AS hold_id) entry
        WHERE CASE WHEN kind IN ('fund', 'award', 'return', 'transfer', 'invoice', 'settle') THEN hold_id IS NOT NULL
                   WHEN kind = 'capture' THEN hold_id IS NULL
                   ELSE true END
    ) THEN
        RETURN NULL;
    END IF;
    IF NEW.entry_places = ARRAY(SELECT generate_series(1, entries)) THEN
        line_numbers := array_fill(1::smallint, ARRAY[entries]);
        line_hold_ids := NEW.hold_ids;
        line_ats := NEW.effective_ats;
    ELSE
        IF NEW.entry_places[1] IS DISTINCT FROM 1 OR NEW.entry_places[line_count] IS DISTINCT FROM entries OR EXISTS (
            SELECT
            FROM (
                SELECT entry_place - lag(entry_place, 1, 1) OVER (ORDER BY place) AS step
                FROM unnest(NEW.entry_places) WITH ORDINALITY AS line (entry_place, place)
            ) line
            WHERE step NOT IN (0, 1)
        ) THEN
            RETURN NULL;
        END IF;
        SELECT
            array_agg(number ORDER BY line.place), array_agg(entry.hold_id ORDER BY line.place),
            array_agg(entry.effective_at ORDER BY line.place)
        INTO line_numbers, line_hold_ids, line_ats
        FROM (
            SELECT entry_place, place, (row_number() OVER (PARTITION BY entry_place ORDER BY place))::smallint AS number
            FROM unnest(NEW.entry_places) WITH ORDINALITY AS line (entry_place, place)
        ) line
        JOIN unnest(NEW.hold_ids, NEW.effective_ats) WITH ORDINALITY AS entry (hold_id, effective_at, place)
            ON entry.place = line.entry_place;
    END IF;
    SELECT array_agg(flow::ledger_flow) INTO flows
    FROM (
        SELECT hold_id, debit_id, credit_id, ledger_sum(amount), count(*), min(effective_at), max(effective_at)
        FROM (
            SELECT unnest(line_hold_ids) AS hold_id, unnest(NEW.debit_ids) AS debit_id, unnest(NEW.credit_ids) AS credit_id,
                   unnest(NEW.amounts) AS amount, unnest(line_ats) AS effective_at
        ) line
        GROUP BY hold_id, debit_id, credit_id
    ) flow;

    -- Each hold is live and has enough left, and its lines move what it has left to where that may go.
    SELECT array_agg(hold) INTO holds
    FROM (
        SELECT * FROM ledger_hold
        WHERE id = ANY (ARRAY(SELECT hold_id FROM unnest(flows) GROUP BY hold_id))
        ORDER BY id FOR NO KEY UPDATE
    ) hold;
    IF EXISTS (
        SELECT
        FROM unnest(flows) flow
        LEFT JOIN unnest(holds) hold ON hold.id = flow.hold_id
        WHERE flow.hold_id IS NOT NULL
        GROUP BY flow.hold_id, hold.authorised, hold.captured, hold.released
        HAVING (
            sum(flow.amount) <= hold.authorised - hold.captured - hold.released
            AND bool_and(
                flow.debit_id = hold.held_id AND flow.credit_id IN (hold.payee_id, hold.wallet_id)
                AND flow.latest < hold.expires_at AND hold.tranches = 1
            )
        ) IS NOT TRUE
    ) THEN
        RETURN NULL;
    END IF;

    -- Each account is there and open, units and calls do not mix, held credits move by holds only, windows are open (what comes
    -- home from one that is over is for ledger_write), and by all that is known before the accounts are locked, none ends below
    -- its floor.
    account_ids := ARRAY(SELECT debit_id FROM unnest(flows) UNION SELECT credit_id FROM unnest(flows));
    SELECT array_agg(account) INTO accounts FROM ledger_account account WHERE id = ANY (account_ids) AND NOT closed;
    IF cardinality(accounts) IS DISTINCT FROM cardinality(account_ids) OR EXISTS (
        SELECT
        FROM unnest(flows) flow
        JOIN unnest(accounts) debit ON debit.id = flow.debit_id
        JOIN unnest(accounts) credit ON credit.id = flow.credit_id
        WHERE debit.unit <> credit.unit OR flow.hold_id IS NULL AND 'held' IN (debit.kind, credit.kind)
           OR debit.home_id IS DISTINCT FROM credit.home_id OR 'debt' IN (debit.kind, credit.kind)
           OR flow.earliest < debit.opens_at OR flow.latest >= debit.closes_at OR flow.latest >= credit.closes_at
           OR debit.closes_at < coalesce(credit.closes_at, 'infinity') AND credit.kind = 'available'
    ) OR EXISTS (
        SELECT
        FROM (
            SELECT debit_id AS id, -amount AS change FROM unnest(flows)
            UNION ALL
            SELECT credit_id, amount FROM unnest(flows)
        ) side
        JOIN unnest(accounts) account USING (id)
        WHERE account.has_floor
        GROUP BY account.id, account.credits, account.debits
        HAVING account.credits - account.debits + sum(change) < 0
    ) THEN
        RETURN NULL;
    END IF;

    -- Locks are taken in the order in which ledger_write takes them: holds, keys, accounts. What turns out wrong from here on
    -- (somebody uses a key or the credits at this very moment, an amount is not positive, credits are needed before they come)
    -- takes back what was written.
    BEGIN
        PERFORM pg_current_xact_id();  -- before the line_numbers of entries are drawn; ledger_write says why
        NEW.entry_ids := ARRAY(SELECT nextval('ledger_entry_id_seq') FROM generate_series(1, entries));
        INSERT INTO ledger_entry (
            id, idempotency_key, request_hash, kind, hold_id, actor, reason, effective_at, recorded_at
        )
        SELECT id, key, hash, kind, hold_id, NEW.actor, reason, effective_at, clock_timestamp()
        FROM (
            SELECT unnest(NEW.entry_ids) AS id, unnest(NEW.idempotency_keys) AS key, unnest(NEW.request_hashes) AS hash,
                   unnest(NEW.kinds) AS kind, unnest(NEW.hold_ids) AS hold_id, unnest(NEW.reasons) AS reason,
                   unnest(NEW.effective_ats) AS effective_at
        ) entry;

        SELECT array_agg(account), array_agg(id) INTO locked, locked_ids
        FROM (
            SELECT * FROM ledger_account WHERE id = ANY (account_ids) AND NOT deferred ORDER BY id FOR NO KEY UPDATE
        ) account;
        IF EXISTS (
            SELECT FROM unnest(locked) now JOIN unnest(accounts) before USING (id)
            WHERE now.closed OR (now.opens_at, now.closes_at) IS DISTINCT FROM (before.opens_at, before.closes_at)
        ) THEN
            RAISE EXCEPTION 'an account was closed, or has another window' USING ERRCODE = 'LG011';
        END IF;

        -- Numbers and totals run over all lines of the batch; a side of a deferred account has none.
        line_entry_ids := CASE WHEN line_count = entries THEN NEW.entry_ids ELSE ARRAY(
            SELECT entry.id
            FROM unnest(NEW.entry_places) WITH ORDINALITY AS line (entry_place, place)
            JOIN unnest(NEW.entry_ids) WITH ORDINALITY AS entry (id, place) ON entry.place = line.entry_place
            ORDER BY line.place
        ) END;
        WITH side AS MATERIALIZED (
            SELECT
                side.place,
                side.is_debit,
                account.has_floor,
                account.seq + row_number() OVER so_far AS seq,
                account.debits + ledger_sum(side.debit) OVER so_far AS debits,
                account.credits + ledger_sum(side.credit) OVER so_far AS credits
            FROM (
                SELECT place, true AS is_debit, debit_id AS account_id, amount AS debit, 0 AS credit
                FROM (
                    SELECT unnest(NEW.debit_ids) AS debit_id, unnest(NEW.amounts) AS amount, generate_series(1, line_count) AS place
                ) line
                WHERE debit_id = ANY (locked_ids)
                UNION ALL
                SELECT place, false, credit_id, 0, amount
                FROM (
                    SELECT unnest(NEW.credit_ids) AS credit_id, unnest(NEW.amounts) AS amount, generate_series(1, line_count) AS place
                ) line
                WHERE credit_id = ANY (locked_ids)
            ) side
            JOIN unnest(locked) account ON account.id = side.account_id
            WINDOW so_far AS (PARTITION BY side.account_id ORDER BY side.place ROWS UNBOUNDED PRECEDING)
        )
        INSERT INTO ledger_posting (
            entry_id, line, unit, debit_id, credit_id, amount, debit_seq, debit_total, credit_seq, credit_total
        )
        SELECT
            line.entry_id, line.number, account.unit, line.debit_id, line.credit_id, line.amount,
            debit.seq, debit.debits, credit.seq, credit.credits
        FROM (
            SELECT unnest(line_entry_ids) AS entry_id, unnest(line_numbers) AS number, unnest(NEW.debit_ids) AS debit_id,
                   unnest(NEW.credit_ids) AS credit_id, unnest(NEW.amounts) AS amount, generate_series(1, line_count) AS place
        ) line
        JOIN unnest(accounts) account ON account.id = line.debit_id
        LEFT JOIN (SELECT * FROM side WHERE is_debit) debit ON debit.place = line.place
        LEFT JOIN (SELECT * FROM side WHERE NOT is_debit) credit ON credit.place = line.place
        WHERE NOT EXISTS (SELECT FROM side WHERE has_floor AND credits < debits)
        ORDER BY line.place;
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written < line_count THEN
            RAISE EXCEPTION 'an account would fall below its floor on the way' USING ERRCODE = 'LG011';
        END IF;

        UPDATE ledger_account account SET
            debits = account.debits + sums.debits,
            credits = account.credits + sums.credits,
            seq = account.seq + sums.sides
        FROM (
            SELECT id, sum(debit)::bigint AS debits, sum(credit)::bigint AS credits, sum(lines)::bigint AS sides
            FROM (
                SELECT debit_id AS id, amount AS debit, 0 AS credit, lines FROM unnest(flows)
                UNION ALL
                SELECT credit_id, 0, amount, lines FROM unnest(flows)
            ) side
            GROUP BY id
        ) sums
        WHERE account.id = sums.id AND account.id = ANY (account_ids) AND NOT account.deferred;

        UPDATE ledger_hold hold SET
            captured = hold.captured + sums.taken,
            released = hold.released + sums.given_back
        FROM (
            SELECT
                hold.id,
                coalesce(sum(flow.amount) FILTER (WHERE flow.credit_id = hold.payee_id), 0)::bigint AS taken,
                coalesce(sum(flow.amount) FILTER (WHERE flow.credit_id = hold.wallet_id), 0)::bigint AS given_back
            FROM unnest(flows) flow
            JOIN unnest(holds) hold ON hold.id = flow.hold_id
            GROUP BY hold.id
        ) sums
        WHERE hold.id = sums.id AND hold.id = ANY (ARRAY(SELECT id FROM unnest(holds)));
    EXCEPTION WHEN unique_violation OR check_violation OR not_null_violation OR SQLSTATE 'LG011' THEN
        RETURN NULL;
    END;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER ledger_write_batch
    INSTEAD OF INSERT ON ledger_batch_draft
    FOR EACH ROW EXECUTE FUNCTION ledger_write_batch();

-- Writes entries in their order. An entry has either a hold (then it is a capture of an amount, perhaps final) or lines, which
-- name accounts by their places in p_codes; p_first_lines says where the lines of each entry begin, with one element more for the
-- end. Of each entry comes back its number and whether it was there before, or else why it was refused: one of p_known_refusals,
-- a SQLSTATE or the name of a constraint. With p_all the first refusal is raised, with the entry's place as its hint.
CREATE OR REPLACE FUNCTION ledger_post_batch(
    p_all boolean, p_known_refusals text[], p_actor text,
    p_keys uuid[], p_kinds text[], p_reasons text[], p_ats timestamptz[],
    p_holds bigint[], p_amounts bigint[], p_finals boolean[],
    p_codes text[], p_first_lines int[], p_line_debits int[], p_line_credits int[], p_line_amounts bigint[],
    OUT entry_ids bigint[], OUT replayed boolean[], OUT refusals text[]
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_nestloop = off SET jit = off
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    entries CONSTANT int := cardinality(p_keys);
    -- Up to so many entries, posting them one by one costs less than trying them together.
    few CONSTANT int := 16;
    hashes CONSTANT bytea[] := ledger_batch_fingerprints(
        p_kinds, p_holds, p_amounts, p_finals, p_codes, p_first_lines, p_line_debits, p_line_credits, p_line_amounts
    );
    account_ids CONSTANT bigint[] := ARRAY(
        SELECT account.id
        FROM unnest(p_codes) WITH ORDINALITY AS wanted (code, place)
        LEFT JOIN (SELECT id, code FROM ledger_account WHERE code = ANY (p_codes)) account USING (code)
        ORDER BY wanted.place
    );
    first_places int[] := ARRAY[1];  -- what is still to be written, as ranges; the next one last
    last_places int[] := ARRAY[entries];
    lowest int;
    highest int;
    looked_for_replays boolean := false;
    got bigint[];
    posted record;
    state text;
    broken_constraint text;
    words text;
BEGIN
    -- All holds before the first account: holds by id, then accounts by id.
    PERFORM FROM ledger_hold WHERE id = ANY (p_holds) ORDER BY id FOR NO KEY UPDATE;

    entry_ids := array_fill(NULL::bigint, ARRAY[entries]);
    replayed := array_fill(false, ARRAY[entries]);
    refusals := array_fill(NULL::text, ARRAY[entries]);

    WHILE cardinality(first_places) > 0 LOOP
        lowest := first_places[cardinality(first_places)];
        highest := last_places[cardinality(last_places)];
        first_places := trim_array(first_places, 1);
        last_places := trim_array(last_places, 1);

        IF highest - lowest >= few THEN
            BEGIN
                got := ledger_try_batch(
                    p_actor, p_keys[lowest:highest], hashes[lowest:highest], p_kinds[lowest:highest], p_reasons[lowest:highest],
                    p_ats[lowest:highest], p_holds[lowest:highest], p_amounts[lowest:highest], p_finals[lowest:highest],
                    account_ids, p_first_lines[lowest:highest + 1],
                    p_line_debits[p_first_lines[lowest]:p_first_lines[highest + 1] - 1],
                    p_line_credits[p_first_lines[lowest]:p_first_lines[highest + 1] - 1],
                    p_line_amounts[p_first_lines[lowest]:p_first_lines[highest + 1] - 1]
                );
            EXCEPTION WHEN numeric_value_out_of_range THEN
                got := NULL;  -- a sum that is too large: which entry makes it so, they say one by one
            END;
            IF got IS NOT NULL THEN
                entry_ids[lowest:highest] := got;
            ELSIF NOT looked_for_replays AND EXISTS (SELECT FROM ledger_entry WHERE idempotency_key = ANY (p_keys)) THEN
                -- What an earlier batch wrote is recognised at once: a batch is repeated as a whole when its answer was lost.
                looked_for_replays := true;
                SELECT array_agg(entry.id ORDER BY draft.place), array_agg(entry.id IS NOT NULL ORDER BY draft.place)
                INTO entry_ids, replayed
                FROM unnest(p_keys, hashes) WITH ORDINALITY AS draft (key, hash, place)
                LEFT JOIN (SELECT * FROM ledger_entry WHERE idempotency_key = ANY (p_keys)) entry
                    ON entry.idempotency_key = draft.key AND entry.request_hash = draft.hash;
                SELECT array_agg(lowest_place ORDER BY lowest_place DESC), array_agg(highest_place ORDER BY lowest_place DESC)
                INTO first_places, last_places
                FROM (
                    SELECT min(place) AS lowest_place, max(place) AS highest_place
                    FROM (
                        SELECT place, place - row_number() OVER (ORDER BY place) AS island
                        FROM unnest(replayed) WITH ORDINALITY AS draft (is_replay, place)
                        WHERE NOT is_replay
                    ) draft
                    GROUP BY island
                ) batch;
            ELSE
                looked_for_replays := true;
                first_places := first_places || ARRAY[(lowest + highest) / 2 + 1, lowest];
                last_places := last_places || ARRAY[highest, (lowest + highest) / 2];
            END IF;
            CONTINUE;
        END IF;

        FOR place IN lowest..highest LOOP
            BEGIN
                IF p_holds[place] IS NOT NULL THEN
                    SELECT * INTO posted FROM ledger_capture(
                        p_keys[place], p_holds[place], p_amounts[place], p_finals[place], p_actor, p_ats[place]
                    );
                ELSE
                    SELECT * INTO posted FROM ledger_post(
                        p_keys[place], p_kinds[place],
                        ledger_elements(p_codes, p_line_debits[p_first_lines[place]:p_first_lines[place + 1] - 1]),
                        ledger_elements(p_codes, p_line_credits[p_first_lines[place]:p_first_lines[place + 1] - 1]),
                        p_line_amounts[p_first_lines[place]:p_first_lines[place + 1] - 1],
                        p_actor, p_reasons[place], p_ats[place]
                    );
                END IF;
                entry_ids[place] := posted.entry_id;
                replayed[place] := posted.replayed;
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS
                    state = RETURNED_SQLSTATE, broken_constraint = CONSTRAINT_NAME, words = MESSAGE_TEXT;
                -- Only what means "refused" to the caller is an outcome; a deadlock or a full disk is not.
                IF NOT p_known_refusals && ARRAY[state, broken_constraint] THEN
                    RAISE;
                ELSIF p_all THEN
                    RAISE EXCEPTION '%', words USING ERRCODE = state, CONSTRAINT = broken_constraint, HINT = place::text;
                END IF;
                refusals[place] := CASE WHEN state = ANY (p_known_refusals) THEN state ELSE broken_constraint END;
            END;
        END LOOP;
    END LOOP;
END
$$;

-- Tries to write entries in their order without looking at each; null if that cannot be shown to be right, and nothing is written
-- then. An account that does not exist has a null among p_account_ids.
CREATE OR REPLACE FUNCTION ledger_try_batch(
    p_actor text, p_keys uuid[], p_hashes bytea[], p_kinds text[], p_reasons text[], p_ats timestamptz[],
    p_holds bigint[], p_amounts bigint[], p_finals boolean[],
    p_account_ids bigint[], p_first_lines int[], p_line_debits int[], p_line_credits int[], p_line_amounts bigint[]
) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = public, pg_temp SET enable_nestloop = off SET jit = off
SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    line_places int[] := '{}';
    finals record;
    lines record;
    got bigint[];
BEGIN
    IF cardinality(p_line_amounts) > 0 THEN
        line_places := ledger_places(p_first_lines);
    END IF;

    -- A final capture gives back the rest in a second line. How much that is, is known only if nothing is captured after it.
    SELECT
        array_agg(final_place) AS places, array_agg(hold_id) AS hold_ids, array_agg(taken) AS taken,
        coalesce(bool_or(final_place < last_place), false) AS are_not_last
    INTO finals
    FROM (
        SELECT hold_id, sum(amount)::bigint AS taken, max(place) AS last_place, min(place) FILTER (WHERE final) AS final_place
        FROM unnest(p_holds, p_amounts, p_finals) WITH ORDINALITY AS draft (hold_id, amount, final, place)
        WHERE true = ANY (p_finals)
        GROUP BY hold_id
        HAVING bool_or(final)
    ) capture;
    IF finals.are_not_last THEN
        RETURN NULL;
    END IF;

    WITH hold AS (
        SELECT id, wallet_id, held_id, payee_id, authorised - captured - released AS remaining
        FROM ledger_hold WHERE id = ANY (p_holds)
    )
    SELECT
        array_agg(place::int ORDER BY place, number) AS entry_places,
        array_agg(debit_id ORDER BY place, number) AS debit_ids,
        array_agg(credit_id ORDER BY place, number) AS credit_ids,
        array_agg(amount ORDER BY place, number) AS amounts
    INTO lines
    FROM (
        SELECT line.entry_place AS place, line.number, debit.id AS debit_id, credit.id AS credit_id, line.amount
        FROM unnest(line_places, p_line_debits, p_line_credits, p_line_amounts)
            WITH ORDINALITY AS line (entry_place, debit, credit, amount, number)
        JOIN unnest(p_account_ids) WITH ORDINALITY AS debit (id, place) ON debit.place = line.debit
        JOIN unnest(p_account_ids) WITH ORDINALITY AS credit (id, place) ON credit.place = line.credit
        UNION ALL
        SELECT draft.place, 1, hold.held_id, hold.payee_id, draft.amount
        FROM (
            SELECT unnest(p_holds) AS hold_id, unnest(p_amounts) AS amount, generate_series(1, cardinality(p_holds)) AS place
        ) draft
        JOIN hold ON hold.id = draft.hold_id
        UNION ALL
        SELECT draft.place, 2, hold.held_id, hold.wallet_id, hold.remaining - draft.taken
        FROM unnest(finals.places, finals.hold_ids, finals.taken) AS draft (place, hold_id, taken)
        JOIN hold ON hold.id = draft.hold_id
        WHERE hold.remaining > draft.taken
    ) line;

    INSERT INTO ledger_batch_draft (
        actor, idempotency_keys, request_hashes, kinds, hold_ids, reasons, effective_ats,
        entry_places, debit_ids, credit_ids, amounts
    )
    VALUES (
        p_actor, p_keys, p_hashes, p_kinds, p_holds, p_reasons, p_ats,
        lines.entry_places, lines.debit_ids, lines.credit_ids, lines.amounts
    )
    RETURNING ledger_batch_draft.entry_ids INTO got;
    RETURN got;
END
$$;

-- The fingerprints that ledger_post and ledger_capture would make, in the order of the entries.
CREATE OR REPLACE FUNCTION ledger_batch_fingerprints(
    p_kinds text[], p_holds bigint[], p_amounts bigint[], p_finals boolean[],
    p_codes text[], p_first_lines int[], p_line_debits int[], p_line_credits int[], p_line_amounts bigint[]
) RETURNS bytea[]
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp SET enable_nestloop = off SET jit = off
SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    IF cardinality(p_line_amounts) = 0 THEN
        RETURN ARRAY(
            SELECT ledger_fingerprint('capture', hold_id::text, amount::text, final::text)
            FROM (SELECT unnest(p_holds) AS hold_id, unnest(p_amounts) AS amount, unnest(p_finals) AS final) draft
        );
    END IF;
    RETURN ARRAY(
        SELECT CASE WHEN draft.hold_id IS NULL
            THEN ledger_fingerprint(draft.kind, plain.debits::text, plain.credits::text, plain.amounts::text)
            ELSE ledger_fingerprint('capture', draft.hold_id::text, draft.amount::text, draft.final::text)
        END
        FROM unnest(p_kinds, p_holds, p_amounts, p_finals) WITH ORDINALITY AS draft (kind, hold_id, amount, final, place)
        LEFT JOIN (
            SELECT
                line.entry_place AS place,
                array_agg(debit.code ORDER BY line.place) AS debits,
                array_agg(credit.code ORDER BY line.place) AS credits,
                array_agg(line.amount ORDER BY line.place) AS amounts
            FROM unnest(ledger_places(p_first_lines), p_line_debits, p_line_credits, p_line_amounts)
                WITH ORDINALITY AS line (entry_place, debit, credit, amount, place)
            JOIN unnest(p_codes) WITH ORDINALITY AS debit (code, place) ON debit.place = line.debit
            JOIN unnest(p_codes) WITH ORDINALITY AS credit (code, place) ON credit.place = line.credit
            GROUP BY line.entry_place
        ) plain USING (place)
        ORDER BY place
    );
END
$$;

-- For each line the place of its entry, from where the lines of each entry begin.
CREATE OR REPLACE FUNCTION ledger_places(p_first_lines int[]) RETURNS int[]
LANGUAGE sql IMMUTABLE SET search_path = public, pg_temp AS $$
    SELECT ARRAY(
        SELECT entry.place::int
        FROM (
            SELECT place, first_line, lead(first_line) OVER (ORDER BY place) AS next_line
            FROM unnest(p_first_lines) WITH ORDINALITY AS entry (first_line, place)
        ) entry
        CROSS JOIN LATERAL generate_series(first_line, next_line - 1) line
        ORDER BY entry.place, line
    )
$$;

-- Elements of an array, by their places.
CREATE OR REPLACE FUNCTION ledger_elements(p_array text[], p_places int[]) RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = public, pg_temp AS $$
    SELECT ARRAY(SELECT p_array[place] FROM unnest(p_places) WITH ORDINALITY AS wanted (place, number) ORDER BY number)
$$;
