/** Kafka's hash of a key, by which its producers choose the partition: murmur2, of which the sign is left out. */
export const KAFKA_HASH = /* sql */ `
  create function kafka_hash(key text) returns int language plpgsql immutable strict as $$
  declare
    m constant bigint := 1540483477;
    low constant bigint := 4294967295;
    data bytea := convert_to(key, 'UTF8');
    size int := length(data);
    whole int := size - size % 4;
    h bigint := 2538058380 # size;
    k bigint;
  begin
    for i in 0 .. whole / 4 - 1 loop
      k := get_byte(data, 4 * i) + (get_byte(data, 4 * i + 1) << 8) + (get_byte(data, 4 * i + 2) << 16)
        + (get_byte(data, 4 * i + 3)::bigint << 24);
      k := (k * m) & low;
      k := k # (k >> 24);
      h := ((h * m) & low) # ((k * m) & low);
    end loop;
    if whole < size then
      for i in 0 .. size - whole - 1 loop
        h := h # (get_byte(data, whole + i)::bigint << (8 * i));
      end loop;
      h := (h * m) & low;
    end if;
    h := h # (h >> 13);
    h := (h * m) & low;
    h := h # (h >> 15);
    return (h & 2147483647)::int;
  end $$;`;
