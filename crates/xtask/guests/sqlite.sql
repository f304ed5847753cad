-- SQLite's answers to these statements are compared between machines: `./x test sqlite`, `./x bench sqlite`.
-- Nothing here depends on the clock, on random numbers or on the file system.
-- Tables, constraints, indices.
create table people(id integer primary key, name text not null, born int, height real, town text collate nocase);
create table towns(name text primary key collate nocase, country text, people int check(people >= 0)) without rowid;
create table visits(person int references people(id) on delete cascade, town text, day text, cost numeric(8,2), unique(person, town, day));
create index people_born on people(born desc, name);
create index visits_cost on visits(cost) where cost > 100;
create unique index people_lower on people(lower(name), born);
pragma foreign_keys = on;
insert into towns values('Aarhus','DK',285273),('Bergen','NO',289330),('Cadiz','ES',111811),('Delft','NL',106086),('Espoo','FI',314024);
insert into towns values('Faro','PT',67650),('Graz','AT',302749),('Hull','GB',267014),('Ioannina','GR',65574),('Jena','DE',111191);
insert into people values(1,'Ada',1941,1.6235,'Graz');
insert into people values(2,'Alan',1906,1.5593,'Ioannina');
insert into people values(3,'Barbara',1912,1.7995,'Jena');
insert into people values(4,'Donald',1907,1.9156,'Delft');
insert into people values(5,'Edsger',1904,1.5704,'Graz');
insert into people values(6,'Frances',1953,1.5572,'Delft');
insert into people values(7,'Grace',1911,1.9514,'Graz');
insert into people values(8,'Hedy',1907,1.9632,'Bergen');
insert into people values(9,'John',1928,2.0166,'Jena');
insert into people values(10,'Katherine',1907,1.9727,'Jena');
insert into people values(11,'Kenneth',1950,1.5406,'Delft');
insert into people values(12,'Leslie',1905,1.956,'Cadiz');
insert into people values(13,'Margaret',1937,1.8433,'Cadiz');
insert into people values(14,'Niklaus',1969,1.5964,'Jena');
insert into people values(15,'Radia',1939,1.9589,'Cadiz');
insert into people values(16,'Richard',1913,1.9764,'Jena');
insert into people values(17,'Shafi',1924,1.805,'Bergen');
insert into people values(18,'Tony',1970,1.5514,'Jena');
insert into people values(19,'Vint',1907,2.007,'Delft');
insert into people values(20,'Whitfield',1963,1.9355,'Graz');
insert into visits values(11,'Hull','2019-08-12',196.46);
insert into visits values(8,'Cadiz','2021-04-03',376.46);
insert into visits values(10,'Ioannina','2017-06-24',294.15);
insert into visits values(10,'Jena','2011-02-17',274.03);
insert into visits values(6,'Faro','2012-08-14',25.7);
insert into visits values(3,'Ioannina','2019-06-11',455.67);
insert into visits values(12,'Jena','2017-10-26',298.98);
insert into visits values(3,'Bergen','2014-08-23',435.26);
insert into visits values(3,'Aarhus','2021-12-10',424.11);
insert into visits values(19,'Hull','2014-12-13',581.34);
insert into visits values(12,'Aarhus','2017-06-06',400.38);
insert into visits values(4,'Hull','2010-04-25',188.38);
insert into visits values(5,'Delft','2016-07-28',325.4);
insert into visits values(3,'Cadiz','2017-07-18',182.09);
insert into visits values(5,'Graz','2023-09-09',462.95);
insert into visits values(14,'Faro','2020-07-08',98.91);
insert into visits values(3,'Cadiz','2012-04-22',152.92);
insert into visits values(1,'Hull','2023-10-06',172.2);
insert into visits values(10,'Aarhus','2012-07-18',242.0);
insert into visits values(20,'Jena','2015-03-23',563.09);
insert into visits values(17,'Jena','2020-11-24',35.39);
insert into visits values(15,'Ioannina','2016-07-13',258.3);
insert into visits values(4,'Hull','2020-07-02',124.92);
insert into visits values(3,'Delft','2017-03-04',222.86);
insert into visits values(20,'Aarhus','2011-01-19',99.14);
insert into visits values(18,'Bergen','2015-10-01',46.09);
insert into visits values(7,'Jena','2016-03-21',165.32);
insert into visits values(12,'Jena','2015-08-04',75.6);
insert into visits values(16,'Hull','2017-08-10',56.29);
insert into visits values(5,'Bergen','2021-06-24',173.52);
insert into visits values(16,'Cadiz','2018-01-07',346.2);
insert into visits values(12,'Cadiz','2021-09-01',496.86);
insert into visits values(17,'Espoo','2020-02-23',554.08);
insert into visits values(9,'Ioannina','2015-03-12',505.9);
insert into visits values(8,'Ioannina','2018-09-11',417.1);
insert into visits values(8,'Jena','2022-04-26',156.89);
insert into visits values(13,'Delft','2013-09-16',233.03);
insert into visits values(1,'Aarhus','2022-05-16',169.86);
insert into visits values(7,'Jena','2015-08-26',473.91);
insert into visits values(12,'Faro','2011-04-04',148.67);
insert into visits values(16,'Delft','2015-04-16',408.99);
insert into visits values(20,'Aarhus','2017-11-12',524.06);
insert into visits values(3,'Bergen','2016-12-25',130.63);
insert into visits values(16,'Cadiz','2016-11-11',56.86);
insert into visits values(13,'Hull','2016-12-03',475.01);
insert into visits values(6,'Cadiz','2012-01-05',387.2);
insert into visits values(15,'Cadiz','2019-10-16',430.75);
insert into visits values(12,'Cadiz','2018-09-05',14.03);
insert into visits values(1,'Bergen','2018-12-05',284.31);
insert into visits values(7,'Delft','2010-05-07',192.0);
insert into visits values(17,'Delft','2022-10-11',169.98);
insert into visits values(18,'Graz','2023-03-02',596.39);
insert into visits values(12,'Hull','2020-10-27',592.64);
insert into visits values(17,'Graz','2023-09-05',348.54);
insert into visits values(5,'Ioannina','2018-01-28',288.45);
insert into visits values(6,'Jena','2010-03-06',92.78);
insert into visits values(16,'Jena','2021-02-18',40.48);
insert into visits values(11,'Ioannina','2018-09-16',513.99);
insert into visits values(4,'Ioannina','2010-04-07',181.49);
insert into visits values(2,'Bergen','2018-08-18',18.27);
select count(*), sum(cost), avg(cost), min(day), max(day) from visits;
select * from people order by born desc, name limit 7;
select name, printf('%.3f', height), round(height, 2), height * 100 from people where height > 1.8 order by height;
-- Errors: each ends its statement only.
select nothing from people;
select * from nowhere;
insert into people(id, name) values(1, 'twice');
insert into people(id, name) values(99, null);
insert into towns values('Aarhus', 'DK', 1);
insert into towns values('Kiel', 'DE', -5);
insert into visits values(4711, 'Graz', '2020-01-01', 1);
insert into visits select * from visits limit 1;
selct 1;
select 1 +;
select abs(-9223372036854775808);
select json('{"a":');
select zeroblob(3000000000);
create table people(x);
drop table nowhere;
select group_concat(name) over (partition by) from people;
select sum(9223372036854775807) from people;
-- Joins.
select p.name, t.country from people p join towns t on t.name = p.town where born < 1950 order by 1, 2;
select p.name, count(v.day), total(v.cost) from people p left join visits v on v.person = p.id group by p.id order by 2 desc, 3, 1;
select t.name, count(distinct v.person) n from towns t left outer join visits v using(name) group by t.name;
select a.name, b.name from people a, people b where a.town = b.town and a.id < b.id order by 1, 2;
select t.name, p.name from towns t full outer join people p on p.town = t.name and p.born > 1960 order by t.name nulls last, p.name;
select t.name from towns t where not exists(select 1 from visits v where v.town = t.name and v.cost > 550) order by t.people;
select p.name from people p where (select max(cost) from visits where person = p.id) > (select avg(cost) * 2 from visits) order by p.id desc;
select * from (select 1 as n, 'a' as c union all values(2, 'b')) natural join (select 2 as n, 'x' as d);
select name from people where town in (select name from towns where people > 200000) except select name from people where born < 1930 order by 1;
select born / 10 * 10 decade, count(*) from people group by decade having count(*) > 1 order by decade;
select town from people union select town from visits order by 1;
select town from people intersect select town from visits where cost < 20 order by 1 desc;
-- Aggregates.
select country, sum(people), group_concat(name, '+' order by name) from towns group by country order by country;
select count(*) filter (where cost > 300), avg(cost) filter (where cost <= 300), sum(distinct person) from visits;
select max(name), min(name), max(born, 1950), min(born, 1950) from people where id < 5;
select string_agg(name, ', ' order by born) from people where id % 3 = 0;
select person, json_group_array(town order by day) from visits group by person order by person limit 5;
select json_group_object(name, people) from towns where people > 280000;
select total(null), sum(null), avg(null), count(null), max(null) from people;
-- Window functions.
select name, born, row_number() over (order by born, id), rank() over (order by born / 10), dense_rank() over (order by born / 10) from people order by born, id;
select name, ntile(4) over w, percent_rank() over w, round(cume_dist() over w, 12) from people window w as (order by height, id) order by height;
select day, cost, sum(cost) over (order by day, rowid rows between 2 preceding and current row), avg(cost) over (order by day, rowid rows between unbounded preceding and 1 preceding) from visits order by day, rowid limit 25;
select person, day, lag(cost, 1, 0) over w, lead(cost) over w, first_value(town) over w, last_value(town) over w, nth_value(town, 2) over w from visits window w as (partition by person order by day, rowid) order by person, day, rowid limit 30;
select town, cost, max(cost) over (partition by town order by cost range between 50 preceding and 50 following exclude current row) from visits order by town, cost limit 25;
select born, count(*) over (order by born groups between 1 preceding and 1 following) from people order by born;
select name, sum(height) filter (where height > 1.7) over (order by id rows unbounded preceding) from people where id <= 8;
-- Recursion.
with recursive n(i) as (select 1 union all select i + 1 from n where i < 5) select i, i * i, 1.0 / i from n;
with recursive fib(a, b) as (values(0, 1) union all select b, a + b from fib where b < 1000000000000) select group_concat(a) from fib;
with recursive
  xaxis(x) as (values(-2.0) union all select x + 0.1 from xaxis where x < 1.0),
  yaxis(y) as (values(-1.0) union all select y + 0.2 from yaxis where y < 1.0),
  m(iter, cx, cy, x, y) as (
    select 0, x, y, 0.0, 0.0 from xaxis, yaxis
    union all
    select iter + 1, cx, cy, x * x - y * y + cx, 2.0 * x * y + cy from m where (x * x + y * y) < 4.0 and iter < 20
  ),
  m2(iter, cx, cy) as (select max(iter), cx, cy from m group by cx, cy),
  a(t) as (select group_concat(substr(' .+*#', 1 + min(iter / 6, 4), 1), '' order by cx) from m2 group by cy)
select rtrim(t) from a;
with recursive queens(n, c, d) as (
  values(0, '', '')
  union all
  select n + 1, c || k, '' from queens, (select value as k from json_each('[1,2,3,4,5,6]'))
  where n < 6 and not exists(
    with recursive p(i) as (select 1 union all select i + 1 from p where i < n)
    select 1 from p where i <= n and (substr(c, i, 1) + 0 = k or abs(substr(c, i, 1) - k) = n + 1 - i)))
select c from queens where n = 6 order by c;
with recursive sudoku_digits(z, lp) as (select '1', 1 union all select cast(lp + 1 as text), lp + 1 from sudoku_digits where lp < 9) select group_concat(z, '') from sudoku_digits;
with recursive r(i, x) as (select 1, 12345 union all select i + 1, (x * 1103515245 + 12345) % 2147483648 from r where i < 3000)
select count(*), sum(x), min(x), max(x), avg(x), count(distinct x % 1000) from r;
-- Text.
select upper('grüße'), lower('ABC'), length('grüße'), length(cast('grüße' as blob)), unicode('€'), char(8364, 97, 128512), hex('€');
select substr('abcdef', 2, 3), substr('abcdef', -3), substr('abcdef', 0, 3), substr('grüße', 3, 2), instr('hello world', 'wor'), instr('x', 'y');
select replace('mississippi', 'ss', 'SS'), trim('  x  '), ltrim('xxay', 'x'), rtrim('yaxx', 'x'), 'a' || 1 || 2.5 || null, 'a' || 1 || 2.5;
select quote('it''s'), quote(null), quote(x'00ff'), quote(1.5), quote('a' || char(10)), typeof(1), typeof(1.0), typeof('1'), typeof(null), typeof(x'');
select 'abc' like 'A%', 'abc' like '_b_', 'a%c' like 'a\%c' escape '\', 'abc' glob 'a*', 'abc' glob '[a-b]bc', 'ABC' glob 'a*', 'x' between 'a' and 'z';
select 'a' < 'B', 'a' < 'B' collate nocase, 'a' = 'A' collate nocase, 'a  ' = 'a' collate rtrim, 10 < '9', cast(10 as text) < '9', null is null, null = null;
select concat('a', null, 1, 2.5), concat_ws('-', 'a', null, 'b'), soundex('Robert'), unhex('48656C6C6F'), octet_length('€'), format('%5d|%-5d|%05d|%+d', 42, 42, 42, 42);
select printf('%s %q %Q %w', 'it''s', 'it''s', 'it''s', 'a"b'), printf('%c%c', 'xyz', 'abc'), printf('%10.3s|%-10s|', 'abcdef', 'xy'), printf('%,d', 1234567890), printf('%x %X %o', 255, 255, 8), printf('%%');
select printf('%.0f %.1f %.2f %.10f', 2.5, 0.25, 1.005, 0.1), printf('%e %E', 12345.678, 0.00012), printf('%g %g %g', 100000, 1000000, 0.0001), printf('%!.20f', 0.1), printf('%10.4f|%-12.2e|', 3.14159265, 271828.18);
select like('%r%', name), name from people where name like '%r_' or name glob '*[aeiou]' order by name;
-- Numbers.
select 0.1 + 0.2, 1e308 * 10, -1e308 * 10, 1e-320, 1.0 / 3, 2.0 / 3, 100.0, 1e15, 1e16, 123456789012345678, 1.7976931348623157e308, 4.9e-324, 2.2250738585072014e-308;
select 5 / 2, -5 / 2, 5 % 3, -5 % 3, 5.5 % 2, 1 / 0, 1.0 / 0, 5 / 2.0, 9223372036854775807 + 1, -9223372036854775808 - 1, 9223372036854775807 * 2, 1 << 62, 1 << 64, -1 >> 1, ~5, 6 & 3, 6 | 3;
select cast('12abc' as int), cast('abc' as int), cast(3.99 as int), cast(-3.99 as int), cast('1e3' as real), cast(1e20 as int), cast('0x1F' as int), 0x1F, cast('  7 ' as int), cast(x'3132' as int), cast('3.14abc' as numeric), cast(2.0 as text);
select round(2.5), round(-2.5), round(1.005, 2), round(123.456, -1), round(0.5), round(1.5), round(1e15 + 0.3, 1), abs(-7), abs(-7.5), abs('x'), sign(-3), sign(0.0), max(1, 2.5, '3'), min(1, 0.5);
select sqrt(2), pow(2, 0.5), exp(1), ln(10), log10(1000), log2(8), log(2, 64), sin(1), cos(1), tan(1), asin(0.5), acos(0.5), atan(1), atan2(1, -1), ceil(1.2), floor(-1.2), trunc(-1.7), mod(7.5, 2), pi(), degrees(pi()), radians(180);
select round(sinh(1), 12), round(cosh(1), 12), round(tanh(1), 12), round(asinh(1), 12), round(acosh(2), 12), round(atanh(0.5), 12), sqrt(-1), ln(0), pow(0, 0), pow(-8, 1.0 / 3);
select 1e23, 8.5e22, 9007199254740993, 9007199254740993.0, 0.3, 0.30000000000000004, 123.456e-7, 1.23e-5, 12345678.9, 1.5e300 * 1.5e-300, 5e-324 / 2, 3.0e0, -0.0, 1e100;
select 1234567.891, 0.000123456789012345, 98765432109876.5, 1.1, 2.2, 3.3, 1.1 + 2.2, 1.1 * 1.1, 4.35 * 100, 1.15 + 2.3, 1e21 + 1, 0.1 + 0.7, 3 * 1.1;
select sum(x), avg(x), total(x) from (select 0.1 as x union all select 0.2 union all select 0.3 union all select 1e16 union all select -1e16 union all select 0.4);
select '1' + '2', '1.5' * 2, 'abc' + 1, '0x10' + 0, ' 3' + 4, '1e2' + 1, 1 = 1.0, '1' = 1, 1 < 'a', x'31' = '1', 1 is not 2, 3 is true, iif(0.1, 'y', 'n'), nullif(1, 1), coalesce(null, 2), ifnull(null, 3);
-- Days.
select date('2024-02-28', '+1 day'), date('2023-02-28', '+1 day'), date('2024-01-31', '+1 month'), datetime('2000-01-01 12:34:56', '-1 year', '+90 minutes'), time('23:59:59', '+1 second'), julianday('2000-01-01'), unixepoch('1970-01-02');
select strftime('%Y|%m|%d|%H|%M|%S|%j|%w|%W|%s|%J', '2024-07-04 05:06:07'), strftime('%f', '2024-07-04 05:06:07.089'), date('2024-05-15', 'weekday 0'), date('2024-05-15', 'start of month', '+1 month', '-1 day'), datetime(0, 'unixepoch'), timediff('2024-03-01', '2023-02-27'), date('nonsense');
select substr(day, 1, 4) y, count(*), round(sum(cost), 2) from visits group by y order by y;
-- Documents.
select json_extract('{"a":[1,2.5,{"b":"x"}],"c":null}', '$.a[2].b'), '{"a":{"b":7}}' -> '$.a', '{"a":{"b":7}}' ->> '$.a.b', json_array(1, 'two', null, 3.5), json_object('k', json('[1]')), json_type('[1,2]'), json_array_length('[1,2,3]'), json_valid('{"x":1}'), json_valid('{x');
select key, value, type, path from json_each('{"a":1,"b":[true,null],"c":"text"}');
select fullkey, atom from json_tree('{"a":{"b":[10,20]},"c":"\u00e9"}') where atom is not null;
select json_set('{"a":1}', '$.b', 2), json_remove('[1,2,3]', '$[1]'), json_patch('{"a":1,"b":2}', '{"b":null,"c":3}'), json_insert('[1]', '$[#]', 2), json_quote('a"b'), json('{ "x" : [ 1 , 2 ] }'), json_pretty('{"a":[1,2]}');
-- Changes, conflicts, triggers, views.
create table log(id integer primary key autoincrement, what text, old, new);
create trigger people_update after update of height on people when old.height <> new.height begin insert into log(what, old, new) values(old.name, old.height, new.height); end;
create trigger people_delete before delete on people begin insert into log(what, old) values('bye ' || old.name, old.id); end;
create view tall as select name, height from people where height > 1.75;
create trigger tall_insert instead of insert on tall begin insert into people(name, height, born) values(new.name, new.height, 2000); end;
update people set height = height + 0.01 where id <= 4;
update people set height = height where id = 5;
delete from people where id = 6;
insert into tall values('Zoe', 1.99);
select * from log;
select * from tall order by height desc, name limit 5;
select count(*) from visits where person = 6;
insert into towns values('Aarhus', 'DK', 5) on conflict(name) do update set people = people + excluded.people where country = excluded.country returning name, people;
insert or ignore into towns values('bergen', 'XX', 1);
insert or replace into towns values('CADIZ', 'ES', 111812);
select * from towns order by name;
update visits set cost = round(cost * t.people / 200000.0, 2) from towns t where t.name = visits.town and visits.person < 4 returning person, cost;
delete from visits where cost < 10 returning *;
select changes(), total_changes() > 50;
alter table log add column extra text default 'none';
alter table log rename column what to who;
alter table log rename to journal;
select * from journal where id < 3;
alter table journal drop column extra;
select sql from sqlite_schema where name = 'journal';
create table g(a int, b int generated always as (a * a) stored, c text as (a || '/' || b));
insert into g(a) values(1), (2), (30);
select * from g;
insert into g(b) values(1);
create table strict_one(i int, r real, t text, b blob, a any) strict;
insert into strict_one values(1, 2, '3', x'04', 5.5);
insert into strict_one values('one', 2, '3', x'04', 5);
select typeof(i), typeof(r), typeof(t), typeof(b), typeof(a) from strict_one;
-- Transactions.
begin;
insert into journal(who) values('in a transaction');
savepoint one;
insert into journal(who) values('in a savepoint');
select count(*) from journal;
rollback to one;
select count(*) from journal;
release one;
commit;
select who from journal order by id desc limit 2;
begin immediate;
delete from visits;
select count(*) from visits;
rollback;
select count(*) from visits;
commit;
begin; begin;
rollback;
begin;
insert or rollback into people(id, name) values(2, 'again');
rollback;
insert into journal(who) select 'x' || value from json_each('[1,2,3]');
insert or fail into journal(id, who) values(100, 'a'), (1, 'b'), (101, 'c');
select id, who from journal where id > 6 order by id;
-- Plans and schema.
explain query plan select * from people where born > 1950 order by born desc, name;
explain query plan select * from visits where cost > 200;
explain query plan select p.name from people p join visits v on v.person = p.id where p.town = 'Graz';
analyze;
select tbl, idx from sqlite_stat1 order by 1, 2;
pragma table_info(people);
pragma index_list(visits);
pragma foreign_key_list(visits);
select type, name from sqlite_schema order by type, name;
reindex people_born;
pragma integrity_check;
pragma foreign_key_check;
-- More rows.
create table numbers(n integer primary key, square int, word text, third real);
with recursive c(i) as (select 1 union all select i + 1 from c where i < 2000) insert into numbers select i, i * i, printf('w%05d', (i * 7919) % 2003), i / 3.0 from c;
create index numbers_word on numbers(word);
select count(*), sum(square), max(word), avg(third) from numbers;
select word, n from numbers where word between 'w00100' and 'w00110' order by word;
select n % 10, count(*), sum(third) from numbers group by 1 order by 1;
select a.n, b.n from numbers a join numbers b on b.word = printf('w%05d', a.n) where a.n < 12 order by 1;
select count(*) from numbers a join numbers b on a.square = b.n;
update numbers set word = upper(word) || '-' || n where n % 7 = 0;
select count(*), min(word), max(word) from numbers where word glob 'W*';
delete from numbers where n % 3 = 0;
select count(*), sum(n) from numbers;
select word from numbers order by word desc limit 5 offset 100;
select distinct substr(word, 1, 3) from numbers order by 1;
select length(group_concat(word)), hex(substr(group_concat(word order by n), 1, 20)) from numbers;
select n, (select count(*) from numbers b where b.n < a.n and b.word < a.word) from numbers a where n > 1980 order by n;
create table copy as select * from numbers where n <= 100;
select sum(third), total(square) from copy;
create table blobs(b blob);
insert into blobs values(zeroblob(5000)), (x'deadbeef'), (cast('text' as blob)), (zeroblob(0));
select length(b), hex(substr(b, 1, 4)), typeof(b) from blobs;
select b from blobs where length(b) < 10;
attach ':memory:' as other;
create table other.t(a, b);
insert into other.t select n, word from main.numbers where n < 20;
select count(*), max(b) from other.t;
select a.a, n.square from other.t a join main.numbers n on n.n = a.a order by 1 limit 4;
detach other;
select * from other.t;
drop index numbers_word;
drop table copy;
vacuum;
pragma integrity_check;
pragma page_count;
select count(*) from sqlite_schema;
