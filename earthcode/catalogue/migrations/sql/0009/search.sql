-- What an offering is found by, kept up to date by the database however the rows are written.

-- Words as we compare them: lower case, no accents, no punctuation. A word and the number after it are also one word,
-- because people write "Sentinel-2", "Sentinel 2" and "sentinel2". ``search.words_of`` does the same to what people type.
CREATE OR REPLACE FUNCTION catalogue_words(given text) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT plain || coalesce(' ' || (
        SELECT string_agg(pair[1] || pair[2], ' ')
        FROM regexp_matches(plain, '([a-z]+) (\d[a-z0-9]{0,2})\M', 'g') AS pair
    ), '')
    FROM (SELECT regexp_replace(lower(unaccent(coalesce(given, ''))), '[^[:alnum:]]+', ' ', 'g')) AS cleaned(plain)
$$;

CREATE OR REPLACE FUNCTION catalogue_offering_document(o catalogue_offering) RETURNS tsvector
LANGUAGE sql STABLE AS $$
    SELECT setweight(to_tsvector('simple', catalogue_words(o.name)), 'A')
        || setweight(to_tsvector('simple', catalogue_words(concat_ws(' ',
            platform.name, provider.name,
            array_to_string(o.interfaces, ' '), array_to_string(o.datasets, ' '), array_to_string(o.service_types, ' ')
        ))), 'B')
        || setweight(to_tsvector('simple', catalogue_words(concat_ws(' ',
            o.summary, o.place,
            array_to_string(o.protocols, ' '), array_to_string(o.workflow_types, ' '),
            array_to_string(platform.features, ' '), array_to_string(platform.languages, ' ')
        ))), 'C')
        || setweight(to_tsvector('simple', catalogue_words((
            SELECT string_agg(concat_ws(' ', plan.name, plan.author), ' ')
            FROM catalogue_plan AS plan
            WHERE plan.offering_id = o.id AND plan.is_listed
        ))), 'D')
    FROM catalogue_platform AS platform
    JOIN identity_organisation AS provider ON provider.id = platform.provider_id
    WHERE platform.id = o.platform_id
$$;

CREATE OR REPLACE FUNCTION catalogue_offering_index() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.search := catalogue_offering_document(NEW);
    -- Words are only added: one that no offering has any more finds nothing and harms nobody.
    INSERT INTO catalogue_searchword (word)
    SELECT found.lexeme FROM unnest(NEW.search) AS found
    WHERE length(found.lexeme) <= 100
    ORDER BY found.lexeme
    ON CONFLICT DO NOTHING;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER catalogue_offering_index
    BEFORE INSERT OR UPDATE ON catalogue_offering
    FOR EACH ROW EXECUTE FUNCTION catalogue_offering_index();

-- An offering is also found by the names of its plans, its platform and its provider.
CREATE OR REPLACE FUNCTION catalogue_plan_reindex() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE catalogue_offering SET search = NULL WHERE id = NEW.offering_id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER catalogue_plan_reindex
    AFTER INSERT OR UPDATE OF name, author, is_listed, offering_id ON catalogue_plan
    FOR EACH ROW EXECUTE FUNCTION catalogue_plan_reindex();

CREATE OR REPLACE FUNCTION catalogue_platform_reindex() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE catalogue_offering SET search = NULL WHERE platform_id = NEW.id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER catalogue_platform_reindex
    AFTER UPDATE OF name, provider_id, features, languages ON catalogue_platform
    FOR EACH ROW EXECUTE FUNCTION catalogue_platform_reindex();

CREATE OR REPLACE FUNCTION catalogue_provider_reindex() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE catalogue_offering SET search = NULL
    FROM catalogue_platform AS platform
    WHERE platform.id = catalogue_offering.platform_id AND platform.provider_id = NEW.id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER catalogue_provider_reindex
    AFTER UPDATE OF name ON identity_organisation
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name)
    EXECUTE FUNCTION catalogue_provider_reindex();
