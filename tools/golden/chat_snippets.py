"""Inputs of chat_rows.py: small templates for each feature, their variables, conversations and tools. All of it is own text."""

VARIABLES = {
    "a": 7, "b": -3, "f": 2.5, "zero": 0, "t": True, "n": None, "s": "Hello World", "e": "", "u": "Grüße 😀 日本", "q": "it's \"so\" \\ <b>&\n\t\u007f\u0001é",
    "pad": "  \n x y \t", "xs": [3, 1, 2], "ys": ["b", "A", "a", "B"], "zs": [], "mixed": [1, "two", None, True, 2.0, [3], {"k": "v"}],
    "d": {"x": 1, "y": {"z": [10, 20]}, "items": "own", "B": 2, "_u": 5}, "ed": {}, "long": "one two  three\nfour", "tags": "<a></a><b></b>",
    "people": [{"name": "Bo", "age": 30, "ok": True}, {"name": "al", "age": 25, "ok": False, "at": {"city": "Ulm"}}, {"name": "Cy", "age": 30}],
    "floats": [0.1, 1e16, 1e-5, 123456789.125, -0.0, 1e15, 1e100, 3.0, 0.0001], "numbers": ["12", " 12 ", "0x1f", "1_000", "12.7", "abc", "", "1e3", "-5", "+8"],
    "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}, {"role": "assistant", "content": "A"}],
}

EXPRESSIONS = """
a|a + 1|a - b|a * b|a / 2|a // 2|b // 2|a % 4|b % 4|-a|+a|- -a|a ** 2|2 ** -1|-2 ** 2|2 ** 3 ** 2|7 // -2|-7 % -3|7.5 // 2|-7.5 % 2|f * 2|f + a|1 / 0|1 // 0|1 % 0|1.5 % 0
1_000|1.5|1e3|1.5e-3|10.0|007|0|1e400|9223372036854775807|t + t|t * 3|not t|not zero|n|t|f|[]|{}|()|(1,)|(1, 2)|1, 2|[1, 'a', none, true, 1.0]|{'a': 1, "b": [2]}
{1: 'x', true: 'y'}|{'k': {'l': none}}|mixed|d|u|q|[q]|['a\\'b', "c\\"d", 'e\\'f"g']|['\\n\\t\\\\é\\x07\\u200b😀']|'a' 'b'|'a' ~ 1 ~ none ~ true ~ 1.0 ~ missing|a ~ b|'x' + 'y'|'x' + 1
'ab' * 3|3 * 'ab'|'ab' * -1|[1] * 2|[1] + [2]|[1] + (2,)|(1,) + (2,)|n + 1|'a' - 'b'|[] - []|missing|missing + 1|missing.x|missing['x']|missing()|missing ~ 'x'|-missing
d.x|d['x']|d.y.z[1]|d.y.z[-1]|d.y.z[5]|d.nope|d.nope.more|d['nope']|d['items']|d.items is callable|d._u|d['_u']|n.foo|n['foo']|a.foo|s.foo|s.upper()|s[0]|s[-1]|s[99]|u[6]|u[1:4]|u[::-1]
s[:5]|s[6:]|s[-5:]|s[::2]|s[::-1]|s[8:2:-2]|s[10:100]|xs[0]|xs[::-1]|xs[1:]|xs[:-1]|xs[-2:]|xs[5:]|xs[::0]|xs['a']|xs[true]|xs.0|d.y.z.1|xs[1.0]|xs[none]|n[1:]|a[1:]|d[1:]|xs[missing:]|xs['a':]
1 < 2|1 < 2 < 3|3 > 2 > 2|1 == 1.0|1 == true|'1' == 1|'a' < 'b'|'a' < 1|n < 1|[1, 2] < [1, 3]|[1] == [1]|(1,) == [1]|{'a': 1} == {'a': 1}|{'a': 1, 'b': 2} == {'b': 2, 'a': 1}|n == none|missing == missing|missing == none
missing < 1|1 != 2|1 <= 1 >= 0|1 in xs|9 in xs|9 not in xs|'lo' in s|1 in s|'x' in d|1 in d|n in n|1 in 5|missing in s|missing in xs|1 in missing|[1] in d|not 1 in xs|'' in s|1.0 in xs
t and a|zero and a|zero or 'x'|'' or n or 'last'|a or b|not a or b|1 if t else 2|1 if zero else 2|1 if zero|(1 if zero) is defined|1 if t else 2 if t else 3|(a if t else b) + 1|'x' if missing else 'y'
s|upper|s|lower|s|length|xs|length|d|length|a|length|n|length|missing|length|u|length|e|length|s|title|'foo-bar (baz) o\\'neil x.y'|title|'foo-bar (baz) o\\'neil x.y'.title()|s|capitalize|'ÄÖ ß'|capitalize|'ÄÖ'|upper
'ǆ'|upper|'ὈΔΎ'.lower()|'hello wORLD'.capitalize()|'ǆx'.title()|pad|trim|pad|trim('\\n x')|'xxaxx'|trim('x')|'\\u00a0x\\u2003'|trim|5|trim|n|trim|missing|trim
xs|join|xs|join(', ')|ys|join('-')|mixed|join('|')|people|join(', ', attribute='name')|zs|join('x')|s|join('.')|missing|join(',')|5|join|xs|join(d='+')|d|join(',')
xs|first|xs|last|zs|first|zs|last|s|first|s|last|d|first|d|last|5|first|missing|first|xs|list|s|list|d|list|missing|list|5|list|n|list
missing|default('x')|n|default('x')|e|default('x')|e|default('x', true)|n|d('x', boolean=true)|zero|default(5)|missing|default|missing.x|default('y')|(missing|default({})).x|d.nope|default('z')
xs|sort|ys|sort|ys|sort(case_sensitive=true)|xs|sort(reverse=true)|ys|sort(true)|people|sort(attribute='age')|map(attribute='name')|list|people|sort(attribute='age,name')|map(attribute='name')|list|mixed|sort|zs|sort|people|sort(attribute='age', reverse=true)|map(attribute='name')|list
xs|reverse|list|s|reverse|d|reverse|list|zs|reverse|list|5|reverse|u|reverse|ys|unique|list|ys|unique(true)|list|[1, 1.0, true, 2]|unique|list|people|unique(attribute='age')|map(attribute='name')|list|[[1], [1]]|unique|list
people|map(attribute='name')|list|people|map(attribute='at.city')|list|people|map(attribute='at.city', default='-')|list|ys|map('upper')|list|ys|map('replace', 'a', 'x')|join|xs|map('nope')|list|xs|map|list|[[1, 2], [3, 4]]|map(attribute=1)|list|[[1, 2], [3, 4]]|map('first')|list
people|selectattr('ok')|map(attribute='name')|list|people|rejectattr('ok')|map(attribute='name')|list|people|selectattr('age', 'equalto', 30)|map(attribute='name')|list|people|selectattr('at', 'defined')|list|people|rejectattr('at', 'defined')|map(attribute='name')|list
people|selectattr('age', 'gt', 26)|map(attribute='name')|list|people|selectattr('name', 'in', ['Bo', 'Cy'])|list|length|xs|select('odd')|list|xs|reject('odd')|list|mixed|select|list|mixed|reject|list|mixed|select('string')|list|xs|select('divisibleby', 3)|list|people|selectattr|list|xs|select('nope')|list
d|items|list|d.items()|list|d.y.items()|list|ed|items|list|xs|items|list|missing|items|list|d|dictsort|d|dictsort(true)|d.y|dictsort|{'a': 2, 'b': 1}|dictsort(by='value')|{'a': 2, 'b': 1}|dictsort(false, 'key', true)|{'a': 2, 'b': 1}|dictsort(by='x')|xs|dictsort
s|replace('o', '0')|s|replace('o', '0', 1)|s|replace('', '-')|'aaa'|replace('aa', 'b')|s|replace('l')|5|replace(5, 6)|s|replace('o', 1)|'aXbX'.replace('X', '')|'aXbX'.replace('X', 'yy', 1)|'ab'.replace('', '.')|s.replace('o', 1)
5|string|n|string|xs|string|missing|string|'12'|int|'12.7'|int|'abc'|int|'abc'|int(-1)|'ff'|int(base=16)|'0x1f'|int(0, 16)|'1_000'|int|f|int|-2.5|int|n|int|n|int(3)|xs|int|true|int|missing|int|' 12 '|int|'1e3'|int|numbers|map('int')|list|numbers|map('float')|list
'1.5'|float|'abc'|float|'abc'|float(9)|a|float|'inf'|float|'nan'|float|n|float|xs|float|missing|float|'1e400'|float|'1e-400'|float|floats|floats[4]|floats|map('int')|list|5|abs|b|abs|-2.5|abs|true|abs|'a'|abs|missing|abs
2.5|round|3.5|round|2.675|round(2)|-2.5|round|2.4|round(0, 'ceil')|2.6|round(0, 'floor')|42.55|round(1, 'floor')|a|round|a|round(1)|12.3456|round(precision=3)|2.5|round(1, 'x')|s|round|1e20|round
long|indent|long|indent(2)|long|indent(2, true)|'a\\n\\nb'|indent(2)|'a\\n\\nb'|indent(2, blank=true)|long|indent('> ')|'a\\n'|indent|e|indent|long|indent(first=true, width=1)
xs|sum|people|sum(attribute='age')|people|sum('age', 100)|zs|sum|ys|sum|xs|min|xs|max|ys|min|ys|max(true)|zs|min|people|max(attribute='age')|s|safe|'<b>'|safe|('<b>'|safe) ~ '<'|s|count
q|tojson|u|tojson|u|tojson(ensure_ascii=true)|d|tojson|d|tojson(indent=2)|d|tojson(indent=0)|d|tojson(indent='--')|mixed|tojson|mixed|tojson(indent=4)|floats|tojson|ed|tojson(indent=2)|zs|tojson(indent=2)|[[], {}]|tojson(indent=2)|d|tojson(sort_keys=true)|d|tojson(separators=(',', ':'))|d|tojson(indent=2, separators=(' ,', '='))
{1: 2, none: 3, true: 4, 1.5: 5}|tojson|(1, 2)|tojson|missing|tojson|[missing]|tojson|xs|map('string')|tojson|d.items()|tojson|range(3)|tojson|namespace(a=1)|tojson|'</script>'|tojson|{(1, 2): 3}|tojson|{'b': 1, 2: 3}|tojson(sort_keys=true)|n|tojson|t|tojson|'\\u2028'|tojson|'inf'|float|tojson|tojson|5|tojson(true)
missing is defined|a is defined|n is defined|d.x is defined|d.nope is defined|missing is undefined|n is none|missing is none|s is string|a is string|missing is string|d is mapping|xs is mapping|xs is iterable|s is iterable|a is iterable|d is iterable|missing is iterable|n is iterable
xs is sequence|s is sequence|d is sequence|a is sequence|d.items() is sequence|range(2) is sequence|xs|map('string') is sequence|missing is sequence|a is number|f is number|t is number|s is number|t is boolean|a is boolean|t is true|a is true|1 is true|t is false|false is false|n is false|a is integer|t is integer|f is float
a is odd|a is even|b is odd|f is odd|s is odd|a is divisibleby 7|a is divisibleby(2)|a is equalto 7|a is eq(7)|a is ne 7|a == 7 is true|a is gt 3|a is lessthan 3|a is ge 7|a is le 7|a is in xs|3 is in xs|'H' is in s|a is not in xs|a is not defined|a is not none|not a is defined|a is in [7]|a is in|'abc' is lower|'ABC' is upper|'A1' is upper|'' is lower|d.items is callable|a is callable
a is defined and b is defined|a is defined or x|[a is odd, b]|a is nope|a is defined is defined|s is string and s|length > 3|a is odd|upper
s.startswith('Hello')|s.startswith(('x', 'H'))|s.startswith('World', 6)|s.endswith('World')|s.endswith('o', 0, 5)|s.startswith(['H'])|s.startswith(1)|s.find('o')|s.rfind('o')|s.find('zz')|u.find('😀')|s.index('W')|s.index('zz')|s.count('l')|s.count('')|s.count('l', 3)|'aaaa'.count('aa')
'xÅ à ą\u0385b\u2003c'.split()|s.split()|s.split('o')|long.split()|long.split(none, 1)|'a,b,,c'.split(',')|'a,b,,c'.split(',', 1)|'a,b,,c'.split(',', maxsplit=2)|''.split()|''.split(',')|s.split('')|'a b c'.rsplit(' ', 1)|'a b c'.rsplit()|'a b c'.split(sep=' ')|'x\\ny\\r\\nz\\n'.splitlines()|tags.split('</a>')[0]|tags.split('</a>')[-1]
pad.strip()|pad.lstrip()|pad.rstrip()|pad.strip('\\n ')|'xyhixy'.strip('xy')|'xyhixy'.lstrip('yx')|'\\n\\nhi\\n'.lstrip('\\n')|s.strip(none)|s.strip(1)|'ab'.join(['x', 'y'])|', '.join(xs|map('string'))|','.join(xs)|'-'.join('abc')|s.removeprefix('Hello ')|s.removesuffix('World')|s.removesuffix('x')|s.lower()|s.title()|s.upper().lower()|'  '.isspace()|''.isspace()
d.keys()|list|d.values()|list|d.get('x')|d.get('nope')|d.get('nope', 'dflt')|d.get('x', default=1)|d.get()|d.keys()|d.values()|d.items()|ed.items()|d.y.keys()|length|d.keys()[0]|xs.count(3)|xs.index(2)|xs.index(9)|xs.append(4)|d.update({})|d.pop('x')|(1, 2, 1).count(1)|s.nope()|d.nope()
range(3)|range(3)|list|range(1, 7, 2)|list|range(5, 0, -2)|list|range(0)|list|range(3, 1)|list|range(2.5)|range('a')|range()|range(1, 2, 0)|range(200000)|list|range(5)[1]|range(5)[-1]|range(5)|last|range(10)|sum|2 in range(3)|range(3)|length|range(1, 7, 2)
dict(a=1, b=2)|dict({'a': 1}, b=2)|dict([('a', 1), ('b', 2)])|namespace(a=1).a|namespace({'a': 2}).a|namespace(a=1).b|namespace(a=1)['a']|namespace(_a=1)|dict(1)|raise_exception('boom')|strftime_now('%d %b %Y')|strftime_now('%Y-%m-%d %H:%M:%S')|strftime_now('%A %B %j %%')|strftime_now('x%z%Zy')|strftime_now()
s(1)|a()|'x'()|xs|length()|s|upper()|s|upper(1)|s|nope|s|trim(1, 2)|s|replace(old='o', new='0')|s|replace(older='o', new='0')|s|default('a', 'b', 'c')|foo.bar.baz|messages[0].role|messages[-1]['content']|messages[0]['role'] == 'system' and messages|length > 2|(messages|length - 1)|messages[0].content[0]
messages|map(attribute='role')|join(',')|messages[1:]|map(attribute='content')|list|messages|selectattr('role', 'equalto', 'user')|list|length|(messages|last).content|messages|rejectattr('role', 'eq', 'system')|map(attribute='role')|list|{'a': messages[0]}|tojson
"""

STATEMENTS = [
    # if
    "{% if a %}x{% endif %}", "{% if zero %}x{% else %}y{% endif %}", "{% if zero %}x{% elif t %}z{% else %}y{% endif %}", "{% if zero %}x{% elif n %}z{% endif %}|",
    "{% if a > 5 and s %}x{% endif %}", "{% if not missing %}x{% endif %}", "{% if (a, b) %}x{% endif %}", "{% if a, %}x{% endif %}", "{% if a: %}x{% endif %}", "{% if %}x{% endif %}", "{% if a %}x",
    "{% if a %}{% if zero %}1{% else %}2{% endif %}{% endif %}", "{% else %}", "{% endif %}", "{% if a %}x{% else %}y{% elif b %}{% endif %}", "{% if a b %}x{% endif %}",
    # for
    "{% for x in xs %}{{ x }},{% endfor %}", "{% for x in zs %}{{ x }}{% else %}none{% endfor %}", "{% for x in missing %}{{ x }}{% else %}none{% endfor %}", "{% for x in n %}{% endfor %}", "{% for x in 5 %}{% endfor %}",
    "{% for c in 'añb' %}[{{ c }}]{% endfor %}", "{% for k in d %}{{ k }} {% endfor %}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k, v in d|dictsort %}{{ k }}={{ v }};{% endfor %}", "{% for k, v in xs %}{% endfor %}",
    "{% for (k, v) in ed.items() %}{% else %}-{% endfor %}", "{% for x, (y, z) in [(1, (2, 3))] %}{{ x }}{{ y }}{{ z }}{% endfor %}", "{% for x, in [(1,), (2,)] %}{{ x }}{% endfor %}", "{% for x in 1, 2, 3 %}{{ x }}{% endfor %}",
    "{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}",
    "{% for x in xs %}{{ loop.previtem }}<{{ x }}<{{ loop.nextitem }};{% endfor %}", "{% for x in xs %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }} {% endfor %}", "{% for x in xs %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in [1, 1, 2] %}{{ loop.changed(x) }} {% endfor %}", "{% for x in xs if x > 1 %}{{ loop.index }}:{{ x }} {% endfor %}", "{% for x in xs if x > 5 %}{{ x }}{% else %}none{% endfor %}", "{% for x in xs if x != 1 %}{{ loop.length }}{{ loop.last }}{% endfor %}",
    "{% for x in xs %}{% for y in ys %}{{ loop.index }}{{ y }}{% endfor %}{{ loop.index }};{% endfor %}", "{% for x in xs %}{% set o = loop %}{% for y in ys %}{{ o.index }}{{ loop.index }} {% endfor %}{% endfor %}", "{{ loop }}", "{{ loop.index }}", "{% for loop in xs %}{% endfor %}",
    "{% for x in xs %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}", "{% for x in xs %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% for x in xs %}{% break %}{% else %}e{% endfor %}", "{% for x in xs %}{% continue %}{% else %}e{% endfor %}", "{% for x in xs %}{% if loop.last %}{% break %}{% endif %}{% else %}e{% endfor %}",
    "{% break %}", "{% continue %}", "{% for x in xs %}{% for y in ys %}{% if y == 'A' %}{% break %}{% endif %}{{ y }}{% endfor %}{{ x }}{% endfor %}", "{% for x in xs %}{% set z %}{{ x }}{% break %}{% endset %}{{ z }}{% endfor %}|{{ z }}", "{% for x in xs %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% for x in xs recursive %}{% endfor %}", "{% for x in xs %}", "{% for x xs %}{% endfor %}", "{% for 1 in xs %}{% endfor %}", "{% for true in xs %}{% endfor %}", "{% for x in xs|sort %}{{ x }}{% endfor %}", "{% for x in xs[::-1] %}{{ x }}{% endfor %}", "{% for i in range(3) %}{{ i }}{% endfor %}",
    "{% for x in xs if t else ys %}{% endfor %}", "{% for x in (xs if zero else ys) %}{{ x }}{% endfor %}", "{% for m in messages if m.role != 'system' %}{{ m.role }}:{{ m.content }}{{ ' ' if not loop.last }}{% endfor %}", "{% for x in xs %}{{ x }}{% endfor %}{{ x }}", "{% for x in xs %}{{ a }}{% set a = x %}{{ a }} {% endfor %}{{ a }}",
    # set and scopes
    "{% set x = 5 %}{{ x }}", "{% set x, y = 1, 2 %}{{ x }}{{ y }}", "{% set x, y = 1 %}", "{% set (x, y) = [1, 2] %}{{ x }}{{ y }}", "{% set x = 1, 2 %}{{ x }}", "{% set x = 1 %}{% for i in xs %}{% set x = i %}{% endfor %}{{ x }}", "{% set x = 1 %}{% if t %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% for i in xs %}{% if t %}{% set y = i %}{% endif %}{{ y }}{% endfor %}{{ y }}", "{% for i in xs %}{{ y is defined }}{% set y = i %}{% endfor %}", "{% set ns = namespace(x=1) %}{% for i in xs %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}", "{% set ns = namespace() %}{% set ns.a = 1 %}{{ ns.a }}{{ ns.b }}", "{% set ns.x = 1 %}",
    "{% set a.x = 1 %}", "{% set d.x = 1 %}", "{% set ns = namespace(l=[]) %}{% for i in xs %}{% set ns.l = ns.l + [i * 2] %}{% endfor %}{{ ns.l }}", "{% set ns = namespace() %}{% set ns._x = 1 %}", "{% set x %}a{{ a }}b{% endset %}[{{ x }}]{{ x|length }}", "{% set x | upper %}ab{% endset %}{{ x }}", "{% set x | trim | replace('a', 'b') %} aa {% endset %}[{{ x }}]",
    "{% set x %}{% set y = 1 %}{{ y }}{% endset %}{{ x }}{{ y is defined }}", "{% set ns = namespace() %}{% set ns.t %}hi{% endset %}{{ ns.t }}", "{% set 5 = 1 %}", "{% set none = 1 %}", "{% set x %}", "{% set %}", "{% set x = %}", "{% set a = a + 1 %}{{ a }}", "{% set x = [1] %}{% set y = x %}{{ x == y }}", "{% set loop = 1 %}{{ loop }}", "{% for x in xs %}{% set loop = 1 %}{% endfor %}",
    "{% set ns = namespace(i=0) %}{% for x in xs %}{% for y in ys %}{% set ns.i = ns.i + 1 %}{% endfor %}{% endfor %}{{ ns.i }}", "{% if false %}{% set q2 = 1 %}{% endif %}{{ q2 is defined }}", "{% set g = xs|map('string') %}{{ g|join }}-{{ g|join }}", "{% set g = xs|map('string') %}{{ g }}", "{% set g = xs|map('string') %}{{ g|length }}", "{% set g = xs|map('string') %}{{ g[0] is defined }}",
    "{% set g = xs|map('string') %}{{ g|first }}{{ g|list }}", "{% set g = zs|map('string') %}{{ 'yes' if g else 'no' }}", "{{ xs|map('string')|last }}", "{{ xs|map('string')|reverse|list }}", "{{ xs|reverse|length }}", "{{ xs|reverse|first }}",
    # macros
    "{% macro m(x, y=2) %}{{ x }}-{{ y }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(y=5, x=4) }} {{ m() }}", "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(z=2) }}", "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(1, x=2) }}",
    "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{% set g = 1 %}{% macro m() %}{{ g }}{% endmacro %}{% set g = 2 %}{{ m() }}", "{% macro m() %}{{ late }}{% endmacro %}{% set late = 'L' %}{{ m() }}",
    "{% macro m() %}{{ x }}{% endmacro %}{% for x in xs %}{{ m() }}{% endfor %}|", "{% for x in xs %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}", "{% macro m(a) %}{% set a = a + 1 %}{{ a }}{% endmacro %}{{ m(1) }}{{ a }}", "{% macro m(x, y=x) %}{{ x }}{{ y }}{% endmacro %}{{ m(1) }}{{ m(1, 2) }}", "{% macro m(x=1, y) %}{% endmacro %}",
    "{% macro m() %} a {% endmacro %}[{{ m()|trim }}]{{ m()|length }}", "{% macro m(x) %}{{ x is defined }}{% endmacro %}{{ m() }}{{ m(none) }}", "{% macro m(l) %}{% for x in l %}{{ x if x is number else m(x) }}{% endfor %}{% endmacro %}{{ m([1, [2, [3]], 4]) }}", "{% macro m() %}{% endmacro %}{{ m is callable }}{{ m is defined }}", "{% macro m %}{% endmacro %}", "{{ m() }}{% macro m() %}x{% endmacro %}",
    "{% macro m(*args) %}{% endmacro %}", "{% macro m() %}{% endmacro %}{{ m(*xs) }}", "{% macro outer() %}{% macro inner() %}i{{ v }}{% endmacro %}{% set v = 3 %}{{ inner() }}{% endmacro %}{{ outer() }}",
    # white space control
    "a\n{% if t %}\nb\n{% endif %}\nc", "a\n  {% if t %}  \n  b\n  {% endif %}\nc\n", "a  {% if t %}b{% endif %}  c", "a\n  {%- if t -%}\n  b\n  {%- endif -%}\n c", "a\n  {%+ if t %}\nb{% endif +%}\nc", "a\n\t {{ 1 }} \n b", "a {{- 1 -}} b", "a\n\n{{- 1 }}\n\n{{ 2 -}}\n\nb", "{{ 1 }}\n{{ 2 }}\n",
    "{{ 1 }}\n\n", "x\n", "x\n\n", "\n", "\nx", "\n{% if t %}x{% endif %}", "  {% if t %}x{% endif %}", "{% if t %}  {% endif %}|", "{# c #}\nx", "a {# c #} b", "a\n  {# c #}\nb", "a {#- c -#} b", "a\n {#+ c #} b", "{# {{ x }} {% if %} #}y", "{#-#}x", "a {#-\n#}\n b", "{# unclosed", "a {# x +#}\nb", "{#\n#}{#\n#}z",
    "{% raw %}{{ x }} {% if %}{% endraw %}y", "a\n  {% raw %}\n b \n {% endraw %}\nc", "a {%- raw -%} b {%- endraw -%} c", "{% raw %}x", "{%raw%}{#{%endraw%}", "{% raw %}{% endraw +%}\nz", "a\r\nb\rc\n", "{% if t %}\r\nx{% endif %}\r\n", "\u00a0{%- if t %}x{% endif -%}\u2003y", "\u00a0{% if t %}x{% endif %}", "a\n\u00a0{% if t %}x{% endif %}",
    "{% if t -%}\n\n x {%- endif %}", "{%- if t %}\nx\n{%- endif %}\n", "a{% if t %}\n\n{% endif %}b", "{% for x in xs %}\n{{ x }}\n{% endfor %}\n", "{% for x in xs -%}\n  {{ x }}\n{%- endfor %}", "{%- for x in xs %}\n  {{- x }}\n{%- endfor %}", "{{ 1 }}  {# c #}\n  {{ 2 }}", "{{ '\n' }}{{ \"a\nb\" }}", "x {{ 1\n + \n 2 }} y",
    "  {{ 1 }}  {% if t %}  y  {% endif %}  ", "{% if t %}x{% endif %}\n\n\ny", "a\n{% set x = 1 %}\n{% set y = 2 %}\nb", "a {% set x = 1 %} b", "a {%- set x = 1 -%} b", "{{- 1 -}}", "{%- -%}", "{% %}", "{{ }}", "{{", "{%", "{{ 1", "{% if t", "{{ 1 }", "}}", "%}", "{ { 1 } }", "{{{'a': 1}}}", "{{ {'a': {'b': 1}}['a'] }}", "{{ ({}) }}", "{{ [1, 2 }}", "{{ (1] }}", "{{ 1 ) }}",
    "{{+1}}", "{{-1}}", "x {{-1}}", "x {{ -1 }}", "{%+ if t +%}\nx{%+ endif +%}\n", "{{ 'a}}b' }}", "{{ \"%}\" }}", "{{ '{{' }}", "{{ '{%' }}x", "a {{ '#}' }}",
    # strings and names
    r"{{ 'a\nb' }}", r"{{ 'a\\nb' }}", r"{{ '\x41\u00e9\U0001F600\101' }}", r"{{ 'a\qb' }}", r"{{ 'a\'b' }}", r'{{ "a\"b" }}', "{{ 'a\\\nb' }}", r"{{ '\x4' }}", r"{{ '\ud83d' }}", r"{{ 'é\n' }}", "{{ 'unclosed }}", "{{ True }}{{ False }}{{ None }}{{ true }}{{ none }}", "{{ TRUE is defined }}", "{{ _x is defined }}", "{{ x1 is defined }}",
    "{{ é }}", "{{ a $ b }}", "{{ a ? b }}", "{{ a ! b }}", "{{ a & b }}", "{{ a; b }}", "{{ a = b }}", "{{ a == }}", "{{ == a }}", "{{ a. }}", "{{ a[ }}", "{{ a[] }}", "{{ a | }}", "{{ a is }}", "{{ f(a=1, 2) }}", "{{ f(a=1, a=2) }}", "{{ not }}", "{{ a not b }}", "{{ a if }}", "{{ a.1.2 }}", "{{ 1.foo }}", "{{ 1 2 }}", "{{ 0x1f }}",
    "{{ a.b.c }}", "{{ a['__class__'] }}", "{{ a.__class__ }}", "{{ s.__class__.__mro__ }}", "{{ s.format(1) }}", "{{ '%s' % a }}", "{{ xs.sort() }}", "{{ d.copy() }}",
    # unknown tags
    "{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}", "{% block b %}{% endblock %}", "{% nope %}", "{% endfor %}", "{% print a %}", "{% do xs.append(1) %}",
    # generation
    "a{% generation %}b{{ a }}{% endgeneration %}c", "é{% generation %}ü{% endgeneration %}|{% generation %}{% endgeneration %}x{% generation %}😀{% endgeneration %}", "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
    "{% generation %}{% set z9 = 1 %}{{ z9 }}{% endgeneration %}{{ z9 is defined }}", "{% set w = 1 %}{% generation %}{{ w }}{% set w = 2 %}{{ w }}{% endgeneration %}{{ w }}", "a\n  {% generation %}\n  b\n  {% endgeneration %}\nc", "a {%- generation -%} b {%- endgeneration -%} c", "{% generation %}", "{% endgeneration %}", "{% for x in xs %}{% generation %}{% break %}{% endgeneration %}{% endfor %}",
    "{% for x in xs %}{% generation %}{{ loop.index }}{{ x }}{% endgeneration %},{% endfor %}", "{% if t %}{% generation %}{% if t %}x{% endif %}{% endgeneration %}{% endif %}",
]


def expressions():
    """A bar separates two expressions where it stands outside brackets and quotes with nothing before a filter's name: the lines
    above are cut by hand-made rules, so each piece is checked to be one that Jinja sees as the author meant."""
    filters = {"upper", "lower", "length", "title", "capitalize", "trim", "join", "first", "last", "list", "default", "d", "sort", "map", "reverse", "unique", "selectattr",
               "rejectattr", "select", "reject", "items", "dictsort", "replace", "string", "int", "float", "abs", "round", "indent", "sum", "min", "max", "safe", "count", "tojson", "nope"}
    for line in EXPRESSIONS.strip().split("\n"):
        pieces, depth, quote, start = [], 0, "", 0
        for i, c in enumerate(line):
            if quote:
                quote = "" if c == quote and line[i - 1] != "\\" else quote
            elif c in "'\"":
                quote = c
            elif c in "([{":
                depth += 1
            elif c in ")]}":
                depth -= 1
            elif c == "|" and depth == 0:
                pieces.append(line[start:i])
                start = i + 1
        pieces.append(line[start:])
        whole = ""
        for piece in pieces:
            word = piece.split("(")[0].split(" ")[0].split("[")[0]
            if whole and word in filters:
                whole += "|" + piece
                continue
            if whole:
                yield whole
            whole = piece
        yield whole


# What Jinja renders and hellora refuses by name.
REFUSED = {
    "{{ floats|map('int')|list }}", "{% for x in xs recursive %}{% endfor %}", "{% set g = xs|map('string') %}{{ g }}", "{{ é }}", "{{ a[] }}", "{{ 0x1f }}", "{{ a['__class__'] }}",
    "{{ a.__class__ }}", "{{ s.format(1) }}", "{{ '%s' % a }}", "{{ d.copy() }}", "{% block b %}{% endblock %}", "{% print a %}",
}

SNIPPETS = list(dict.fromkeys(["{{ " + e + " }}" for e in expressions()] + STATEMENTS))

TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "Current weather of a place.\nCelsius.", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "description": "The \"city\" <name> & more"}, "days": {"type": ["integer", "null"]},
                                         "where": {"type": "object", "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}}}}, "required": ["city"]}}},
    {"type": "function", "function": {"name": "größe", "description": "", "parameters": {"type": "object", "properties": {"ids": {"type": "array", "items": {"type": "integer"}}}, "required": []}}},
]

CALL = {"id": "call12345", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Ulm", "days": 2, "deep": {"a": [1, 2.5, None, True]}}}}

CONVERSATIONS = {
    "one": [{"role": "user", "content": "What is 2+2?"}],
    "answered": [{"role": "user", "content": "What is 2+2?"}, {"role": "assistant", "content": "4"}],
    "system": [{"role": "system", "content": "  You are terse.\n"}, {"role": "user", "content": " Hi "}, {"role": "assistant", "content": "\n Hello. \n"}, {"role": "user", "content": "Bye"}],
    "turns": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}],
    "unicode": [{"role": "user", "content": "Grüße 😀 {{ x }} {% if %}"}, {"role": "assistant", "content": "日本\u2028 <|im_end|> </s>"}],
    "think": [{"role": "user", "content": "q1"}, {"role": "assistant", "content": "<think>\nsome thought\n</think>\n\nanswer one"}, {"role": "user", "content": "q2"},
              {"role": "assistant", "content": "<think>\nmore\n</think>\n\nanswer two"}],
    "reasoning": [{"role": "user", "content": "q"}, {"role": "assistant", "reasoning_content": "because", "content": "answer"}],
    "thinking": [{"role": "user", "content": "q"}, {"role": "assistant", "thinking": "older name", "content": "answer", "tool_calls": None}],
    "calls": [{"role": "system", "content": "Use tools."}, {"role": "user", "content": "Weather in Ulm?"}, {"role": "assistant", "content": "", "tool_calls": [CALL]},
              {"role": "tool", "content": "{\"t\": 21}"}, {"role": "assistant", "content": "21 degrees"}],
    "many_calls": [{"role": "user", "content": "w"}, {"role": "assistant", "content": "let me look", "tool_calls": [CALL, CALL]}, {"role": "tool", "content": "1"}, {"role": "tool", "content": "2"},
                   {"role": "assistant", "content": "done"}, {"role": "user", "content": "thanks"}],
    "parts": [{"role": "system", "content": [{"type": "text", "text": "S"}]}, {"role": "user", "content": [{"type": "text", "text": " look "}, {"type": "image"}]}],
    "two_users": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
    "starts_with_assistant": [{"role": "assistant", "content": "hi"}, {"role": "user", "content": "b"}],
    "unknown_role": [{"role": "critic", "content": "a"}],
    "late_system": [{"role": "user", "content": "a"}, {"role": "system", "content": "s"}, {"role": "assistant", "content": "b"}],
    "no_content": [{"role": "user"}, {"role": "assistant", "content": None}],
    "empty": [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}],
}
