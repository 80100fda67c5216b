#!/usr/bin/perl

# What the predictor knows beside one series of load: a real node_exporter and
# one that says odd things or nothing, client groups, rows of metrics, and a
# load that the policy weighs or wants learned.  Redis goes away meanwhile.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use JSON::PP;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;

use constant { RES => 60, SPEED => 60, SHARDS => 8 };

my $t = ShardTest->new(shards => SHARDS);

plan(skip_all => 'no build/shard-predictor')
    if !-x $t->program('shard-predictor');

my ($exporter) = grep { -x } map { "$_/prometheus-node-exporter" }
                 split /:/, $ENV{PATH};

my $port = free_port();

$t->{nodes} = { map {
    ("n$_" => { name => "n$_", addr => "127.0.0.$_:900$_", zone => 'z1',
                capacity => 1000 })
} 1 .. 3 };

$t->start_redis();


# a node's exporter as an ordinary program

sub listens {
    return IO::Socket::INET->new(PeerAddr => $_[0], Timeout => 1);
}

$t->add(name => 'exporter', argv => [ $exporter,
            "--web.listen-address=127.0.0.1:$port", '--log.level=error' ],
        ready => sub { listens("127.0.0.1:$port") })
    if $exporter;


# ... and one that answers what is in a file: a text, "hang", or a status

my $said = $t->dir() . '/said';

my $server = <<'PERL';
use IO::Socket::INET;
my ($addr, $file) = @ARGV;
$SIG{CHLD} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';
my $s = IO::Socket::INET->new(LocalAddr => $addr, Listen => 64,
                              ReuseAddr => 1) or die "$addr: $!\n";
while (my $c = $s->accept()) {
    next if fork();
    while (my $line = <$c>) { last if $line =~ /^\r?\n$/ }
    open(my $f, '<', $file) or exit 1;
    my $text = do { local $/; <$f> };
    sleep(20), exit 0 if $text =~ /^hang/;
    my $status = $text =~ s/^status (\d+)\n// ? $1 : 200;
    print $c "HTTP/1.0 $status X\r\nContent-Length: " . length($text)
        . "\r\n\r\n$text";
    exit 0;
}
PERL

# counters of a node whose CPU is used by a quarter

my $began = time();

sub say_node {
    my ($more) = @_;

    my $s = 1000 + time() - $began;
    my $text = join '', map { "$_\n" }
        'node_cpu_seconds_total{cpu="0",mode="idle"} ' . 3 * $s,
        'node_cpu_seconds_total{cpu="0",mode="user"} ' . $s,
        'node_memory_MemTotal_bytes 1e9', 'node_memory_MemAvailable_bytes 4e8',
        'node_network_receive_bytes_total{device="eth0"} ' . int(5000 * $s),
        'node_disk_io_time_seconds_total{device="sda"} ' . 0.5 * $s,
        'queue_depth{queue="a"} 3', 'queue_depth{queue="b"} 4';

    spew("$said.new", $text . ($more || ''));
    rename("$said.new", $said) or die "$said: $!\n";
}

my $odd;                        # what it says instead

sub say_odd {
    ($odd) = @_;
    spew("$said.new", $odd);
    rename("$said.new", $said) or die "$said: $!\n";
}

say_node();
$t->add(name => 'node2', argv => [ $^X, '-e', $server, "127.0.0.2:$port",
                                   $said ],
        ready => sub { listens("127.0.0.2:$port") });


# routers, as in 40_predictor.t, with client groups

my ($real_ms, $epoch_s, %router);

sub clock { return $epoch_s + ($_[0] - $real_ms) / 1000 * SPEED }
sub rate { return 1000 + 200 * $_[0] }

sub entry {
    my ($r, $end_ms, $seconds) = @_;

    my @n = map { int(rate($_) * $seconds + 0.5) } 0 .. SHARDS - 1;

    my $shards = join '', map {
        pack('V6Q<2V2', $_, $n[$_], $n[$_], 0, $n[$_] - int($n[$_] / 4),
             int($n[$_] / 4), 500 * $n[$_], 20_000 * $n[$_], 0, 0)
    } 0 .. $#n;

    my @groups = ([big => 0.6], [medium => 0.3], [small => 0.1]);
    my $clients = pack('v', scalar @groups)
                  . join('', map { pack('C/a', $_->[0]) } @groups)
                  . pack('V', @groups * @n);

    for my $id (0 .. $#n) {
        $clients .= pack('V v V V Q<', $id, $_, int($n[$id] * $groups[$_][1]),
                         0, 0) for 0 .. $#groups;
    }

    return 'SHM1' . pack('C/a Q<Q<Q<V v', 'edge', $r->{instance},
                         $r->{sequence}, $end_ms, $end_ms - $r->{end_ms}, 2)
           . pack('v V V', 1, 4 + length $shards, scalar @n) . $shards
           . pack('v V', 4, length $clients) . $clients;
}

sub report {
    my $now = int(time() * 1000);
    my $r = $router{edge} ||= { instance => 1 + int(rand(1e9)),
                                sequence => 0, end_ms => $now };
    my $seconds = ($now - $r->{end_ms}) / 1000;

    return if $seconds < 0.1;

    $r->{sequence}++;
    eval {
        $t->redis()->command('XADD', $t->key('metrics'), '*', 'm',
                             entry($r, $now, $seconds));
        1;
    } or $t->redis()->close();
    $r->{end_ms} = $now;
}

sub drive (&$$) {
    my ($code, $seconds, $what) = @_;

    my $until = time() + $seconds;

    while (time() < $until) {
        report();
        say_node() if !defined $odd;

        my $value = eval { $code->() };
        return $value if $value;
        sleep(0.02);
    }

    die "not within $seconds s: $what\n";
}

sub hash_of { return $t->redis()->hash($t->key($_[0])) }
sub state { return hash_of('predictor') }

sub json_of {
    my ($key, $field) = @_;

    my $text = $t->redis()->command('HGET', $t->key($key), $field);
    return defined $text ? decode_json($text) : undef;
}

sub row {
    my ($name, $slot) = @_;

    my $text = $t->redis()->command('GET', $t->key("rows:$name$slot:0"));
    return defined $text ? [ unpack('f<*', $text) ] : undef;
}

sub log_of { return slurp($t->dir() . "/$_[0].log") }

sub near {
    my ($got, $want, $part, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $got = 'nan' if !defined $got;
    ok($got ne 'nan' && abs($got - $want) <= $part * $want,
       "$name: $got, is $want");
}


$t->seed(silent => 1);
$real_ms = int(time() * 1000);
$epoch_s = 1_780_272_000;

my $addr = $t->redis_addr();

my $conf = <<"YAML";
redis:
  addr: $addr
keyspace: orders
interval: @{[RES]}s
history: 2h
horizon: 1h
grace_real: 1500ms
lease_real: 5s
signals:
  metrics: [writes, bytes, latency]
  history: 2h
  series: 100
  clients: 2
scrape:
  url: "http://{host}:$port/metrics"
  interval: 200ms
  timeout: 500ms
  gauges: [queue_depth]
clock:
  speed: @{[SPEED]}
  real_ms: $real_ms
  epoch_s: $epoch_s
YAML


# mistakes in the configuration

{
    my $path = $t->dir() . '/bad.yaml';

    for my $case (['{host}' => '{hots}', qr/scrape: url: .*"\{hots\}/],
                  ['http://' => 'file://', qr/must begin with http/],
                  ['queue_depth' => '9queue', qr/gauges: "9queue" is no/],
                  ['\[queue_depth\]' => 'queue', qr/:\d+:\d+: .*a list/],
                  ['latency' => 'latenzy', qr/nearest is "latency"/])
    {
        my ($from, $to, $says) = @$case;

        spew($path, $conf =~ s/$from/$to/r);
        my ($status, $out, $err) = $t->run($t->program('shard-predictor'),
                                           '-c', $path);
        is($status, 1, "\"$to\" is refused");
        like($err, $says, 'and why');
    }
}


my ($status, $out, $err);
my $p = $t->start_daemon('shard-predictor', 'predictor', $conf);

drive { (state()->{slot} || 0) > $epoch_s / RES + 6
        && json_of('forecast', 3) } 60, 'some slots';


# rows of metrics, and what is forecast beside the load

my $slot = state()->{slot};
near(row(RES . ':', $slot)->[2], rate(2), 0.1, 'the load is the requests');
near(row('writes:' . RES . ':', $slot)->[2], rate(2) / 4, 0.1, 'writes');
near(row('bytes:' . RES . ':', $slot)->[2], rate(2) * 500, 0.1, 'bytes');
near(row('latency:' . RES . ':', $slot)->[2], rate(2) * 0.02, 0.1,
     'latency, as requests under way');
cmp_ok($t->redis()->command('TTL', $t->key('rows:writes:' . RES
       . ":$slot:0")), '<=', 7200, 'they are kept as long as was said');

my $f = json_of('forecast', 2);
my $g = $f->{signals};
is(join(' ', @{ $g->{step} }), '1 60', 'steps of the signals');
near($g->{write_share}{'q0.5'}[0], 0.25, 0.05, 'share of writes');
near($g->{latency}{'q0.9'}[1], 0.02, 0.05, 'latency, s');
near($g->{bytes}{mean}[0], rate(2) * 500, 0.2, 'bytes per second');
near($g->{requests}{mean}[0], rate(2), 0.2, 'requests per second');


($out) = ($t->try_ctl('forecast', 2))[1];
like($out, qr/AHEAD.*WRITES.*LATENCY/, 'shardctl forecast shows them');
near($t->ctl('forecast', 2)->{signals}{ahead}[0]{write_share}, 0.25, 0.05,
     'and --json');


# client groups

sub number_of {
    my ($owner, $name) = @_;

    my $series = hash_of('series');

    for my $number (keys %$series) {
        my $s = decode_json($series->{$number});
        return $number if $s->{owner} eq $owner && $s->{name} eq $name;
    }

    return undef;
}

my $big = number_of(5, 'big');
ok(defined $big && defined number_of(5, 'medium'),
   'the largest client groups have series');
ok(!defined number_of(5, 'small'), 'not the smallest: signals: clients: 2');
drive { my $row = row('series:' . RES . ':', state()->{slot});
        $row && $row->[$big] == $row->[$big] && $row->[$big] > 0 } 30,
      'rows of series';
$slot = state()->{slot};
near(row('series:' . RES . ':', $slot)->[$big], 0.6 * rate(5), 0.15,
     'requests of one');
drive { (json_of('forecast', 5)->{clients} || {})->{series} } 20,
      'clients in the forecast';
is(json_of('forecast', 5)->{clients}{series}, 3, 'two of them and the rest');
($out) = ($t->try_ctl('explain', 5))[1];
like($out, qr/3 series of client groups; the forecast is/,
     'shardctl explain tells of them');


# nodes

SKIP: {
    skip 'no prometheus-node-exporter', 4 if !$exporter;

    my $n = drive { my $n = json_of('node_forecast', 'n1');
                    defined $n->{cpu}{now} && $n->{cpu}{mean} && $n } 30,
                  'n1 as its node_exporter has it';
    is($n->{state}, 'ok', 'node_exporter: n1 is known');
    cmp_ok($n->{cpu}{now}, '<=', 1, "cpu $n->{cpu}{now}");
    cmp_ok($n->{memory}{now}, '>', 0, "memory $n->{memory}{now}");
    is(scalar @{ $n->{cpu}{mean} }, 60, 'a forecast of each step');
}

my $n = drive { my $n = json_of('node_forecast', 'n2');
                defined $n->{cpu}{now} && $n->{cpu}{mean} && $n } 30, 'n2';
near($n->{cpu}{now}, 0.25, 0.2, 'cpu of n2');
near($n->{memory}{now}, 0.6, 0.01, 'memory');
drive { abs((json_of('node_forecast', 'n2')->{disk}{now} || 0) - 0.5) < 0.2 }
      20, 'disk near a half';
ok(1, 'disk, the busiest');
near($n->{gauges}{queue_depth}{now}, 7, 0.01, 'a gauge');
ok($n->{network}{now} > 0, "network $n->{network}{now}");

$n = json_of('node_forecast', 'n3');
is($n->{state}, 'unknown', 'a node that does not answer is unknown');
ok(!defined $n->{cpu}, 'never zero');
like($n->{why}, qr/refused|connect/i, "and why: $n->{why}");


# odd answers

my $cpu = number_of('n2', 'cpu');

for my $case (["node_cpu_seconds_total{cpu=\"0\" 5\n", qr/line 1, column \d+/],
              ["status 500\n", qr/status 500/],
              ["up 1", qr/no end|cut/],
              ['hang', qr/time/i])
{
    my ($text, $says) = @$case;

    say_odd($text);
    drive { my $why = json_of('node_forecast', 'n2')->{why};
            defined $why && $why =~ $says } 20, "trouble with: $text";
    ok(1, 'said: ' . json_of('node_forecast', 'n2')->{why});
}

my $dark = state()->{slot};
drive { state()->{slot} > $dark + 3 } 20, 'slots go on while it hangs';
my $row = row('series:' . RES . ':', $dark + 2);
ok($row->[$cpu] != $row->[$cpu], 'its CPU is unknown in the row');
like(log_of('predictor'), qr/node n2: exporter: .*its figures are unknown/,
     'and in the log');

undef $odd;
drive { json_of('node_forecast', 'n2')->{state} eq 'ok' } 20, 'well again';
like(log_of('predictor'), qr/node n2 answers again/, 'n2 answers again');


# Redis away and back

$t->process('redis')->kill();
$t->redis()->close();
wait_for { log_of('predictor') =~ /trying again/ } 20, 'the log says so';
$t->process('redis')->start();
drive { log_of('predictor') =~ /the store answers again/ } 20, 'resumed';
$slot = state()->{slot};
drive { (state()->{slot} || 0) > $slot + 2 } 30, 'slots again';
is(number_of('n2', 'cpu'), $cpu, 'series have their numbers');


# the load as the policy has it

($status, $out, $err) = $t->try_ctl('policy', 'set',
                                       '{"load":{"write":2}}');
isnt($status, 0, 'an unknown weight is refused');
like($err, qr/nearest is "writes"/, 'with the nearest one');

$t->ctl('policy', 'set', '{"load":{"requests":1,"writes":2}}');
drive { my $load = state()->{load};
        $load && decode_json($load)->{from} eq 'policy' } 30, 'policy';
$slot = state()->{slot};
drive { state()->{slot} > $slot + 4 } 30, 'slots of the new load';
near(row(RES . ':', $slot + 3)->[2], rate(2) * 1.5, 0.1, 'a weighted load');
near(row('requests:' . RES . ':', $slot + 3)->[2], rate(2), 0.1,
     'requests have rows of their own now');
drive { abs(json_of('forecast', 2)->{mean}[0] - rate(2) * 1.5) < rate(2) / 4 }
      20, 'the forecast is of that load';
near(json_of('forecast', 2)->{signals}{requests}{mean}[0], rate(2), 0.2,
     'and requests are told from it');

($status, $out, $err) = $t->try_ctl('policy', 'get');
like($out, qr/"writes": 2/, 'policy get shows the weights');
like($err, qr/load in force: .*2 x writes.*policy/, 'and those in force');

$t->ctl('policy', 'set', '{"load":"learned"}');
drive { my $load = state()->{load};
        $load && decode_json($load)->{why} } 30, 'learned';
my $load = decode_json(state()->{load});
is($load->{from}, 'requests', 'what says nothing is not used');
like($load->{why}, qr/needed|nothing/, "why: $load->{why}");
ok($p->alive(), 'the predictor goes on');

$t->finish();
done_testing();
