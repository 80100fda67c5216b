#!/usr/bin/perl

# The module when things break: Redis hung, gone, full of garbage, emptied;
# reloads with another size; a leader that sleeps; workers killed at random
# amid changes; requests that are refused by a node.
# SHARD_TEST_SEED=N repeats a run.

use warnings;
use strict;

use Test::More;
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use Math::BigInt;
use Time::HiRes qw/ sleep time /;

use ShardTest;

my $seed = $ENV{SHARD_TEST_SEED} || time() % 1000000 ^ $$;
srand($seed);
diag("seed $seed");

my @kids;
my $began = time();

sub note_time { note(sprintf '%.1f s: %s', time() - $began, $_[0]) }


END { kill 'KILL', @kids if @kids }

my $t = ShardTest->new(shards => 8, keyspace => 'orders');

$t->start_redis();
$t->start_nodes(2);
$t->seed(place => sub { 'n1' });

my $server = <<'CONF';
location /short/ {
    proxy_pass         http://orders/;
    proxy_http_version 1.1;
    proxy_read_timeout 450ms;
    proxy_set_header   Connection    "";
    proxy_set_header   X-Shard-Id    $shard_id;
    proxy_set_header   X-Shard-Epoch $shard_epoch;
    proxy_set_header   X-Shard-Role  $shard_role;
}
CONF

my %conf = (server => $server);

$t->start_nginx(%conf);
wait_for { $t->get('/kv/a', 'X-Key' => 'a')->{status} == 404 } 5, 'a table';


sub update {
    my ($id, %fields) = @_;

    return $t->committed("shard:$id", $t->changed_shard($id, %fields));
}

sub hold    { update($_[0], phase => 'held') }
sub release { my $id = shift; update($id, phase => 'steady', @_) }
sub current { wait_for { $t->api('')->{version} == $t->version() } 5, 'the newest version' }

sub role {
    my ($node, $id, $role, $epoch) = @_;

    my $answer = HTTP::Tiny->new(timeout => 5)->put(
        "http://$t->{nodes}{$node}{addr}/_shard/$id/role",
        { content => qq({"role":"$role","epoch":$epoch}) });
    die "role: $answer->{status} $answer->{content}" if !$answer->{success};
}

# the version, though one of the workers sleeps

sub elsewhere {
    my $answer = HTTP::Tiny->new(timeout => 0.3, keep_alive => 0)
                 ->get($t->url("/shards/orders"));
    return $answer->{success} ? decode_json($answer->{content})->{version} : 0;
}

sub leader {
    my $log = $t->error_log();
    my @all = $log =~ /(\d+)#\d+: keyspace "orders": this worker keeps the table/g;
    return $all[-1];
}

sub child (&) {
    my ($code) = @_;

    my $pid = fork();
    die "fork: $!" if !defined $pid;

    if (!$pid) {
        eval { $code->() };
        POSIX::_exit($@ ? 1 : 0);
    }

    push @kids, $pid;
    return $pid;
}


# reloads under load: same size, larger, smaller, with a shard held

sub reload_with {
    my ($size, %args) = @_;

    $args{http} ||= '';
    my $text = $t->nginx_conf(%conf, %args);
    $text =~ s/shard_table  orders \S+/shard_table  orders $size/;
    spew($t->{nginx_conf}, $text);
    $t->reload();
}

$t->start_load(rate => 150);
$t->wait_served(30);

for my $size ('4m', '9m', '2m') {
    hold(3);
    wait_for { $t->barrier(3)->{drained} } 5, 'drained';
    reload_with($size);
    wait_for { $t->api('')->{connected} eq 'true' || $t->api('')->{connected} } 3, 'connected';
    sleep(0.3);
    release(3);
    $t->wait_served(40);
}

$t->load_is_clean($t->end_load(), 'reloads with another size');
is($t->api("/shards/3")->{phase}, 'steady', 'the last release arrived');

# a size that does not hold the table changes nothing

my @workers = $t->process('nginx')->children();
{
    my @lo = ShardTest::boundaries(20_000);
    my @old = ShardTest::boundaries(8);
    my @changes;

    for my $id (0 .. $#lo) {
        push @changes, 'shard', $id, encode_json({ lo => $lo[$id],
            hi => $id < $#lo ? $lo[$id + 1] : undef, primary => 'n1',
            epoch => $id < 8 ? 2 : 1 });
    }

    reload_with('9m');
    my $got = $t->commit('keyspace', @changes);
    is($got->[0], 'ok', 'a large table') or diag "@$got";
    wait_for { $t->api('')->{shards} == 20_000 } 10, "20,000 shards";
    @workers = $t->process('nginx')->children();

    my $text = $t->nginx_conf(%conf);
    $text =~ s/shard_table  orders \S+/shard_table  orders 2m/;
    spew($t->{nginx_conf}, $text);
    $t->allow(qr/do not fit a zone/);
    $t->process('nginx')->signal('HUP');
    wait_for { $t->error_log() =~ /do not fit a zone/ } 5, 'refused';
    is_deeply([ $t->process('nginx')->children() ], \@workers,
              'a reload with too small a zone is refused');

    @changes = map { ('shard', $_, '') } 8 .. $#lo;
    push @changes, map { ('shard', $_, encode_json({ lo => $old[$_],
        hi => $_ < 7 ? $old[$_ + 1] : undef, primary => 'n1', epoch => 2 })) } 0 .. 7;
    $got = $t->commit('keyspace', @changes);
    is($got->[0], 'ok', 'and the small one again') or diag "@$got";
    role('n1', $_, 'primary', 2) for 0 .. 7;
    wait_for { $t->api('')->{shards} == 8 } 10, '8 shards';
    reload_with('4m');
}


# Redis: hung, gone, garbage, emptied, locked

note_time('Redis: hung, gone, garbage, emptied, locked');

sub serves {
    my ($what, $also) = @_;

    my $bad = 0;

    for my $n (1 .. 40) {
        my $begin = time();
        my $answer = $t->get("/kv/s$n", 'X-Key' => "s$n");
        $bad++ if $answer->{status} !~ /^(200|404)$/ && $answer->{status} != ($also || 0)
                  || time() - $begin > 0.5;
    }

    is($bad, 0, "$what: served");
}

sub recovers {
    my ($what, $seconds) = @_;

    $t->redis()->close();
    my $version = update(5, strategy => rand() < 0.5 ? 'queue' : 'stateless');

    ok(eval { wait_for { $t->api('')->{version} == $version } $seconds || 8, 'it' },
       "$what: the next change arrives after it") or diag $@;
}

$t->process('redis')->signal('STOP');
serves('Redis hung') for 1 .. 2;
wait_for { !$t->api('')->{connected} } 4, 'noticed';
serves('Redis hung and known to be');
$t->process('redis')->signal('CONT');
recovers('Redis hung');

$t->process('redis')->kill();
serves('Redis killed');
$t->process('redis')->start();
recovers('Redis killed');

$t->process('redis')->kill();
my $garbage = child {
    srand($seed);
    $SIG{PIPE} = 'IGNORE';
    my @kinds = ("+OK\r\n", "*3\r\n", "*-7\r\n", "\$-5\r\n", "*2147483647\r\n",
                 "\$99999999999\r\n", ":12\r\n", "-ERR " . 'x' x 500 . "\r\n",
                 "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
                 "*2\r\n\$1\r\n0\r\n*2\r\n:1\r\n:2\r\n", "*2\r\n\$1\r\n7\r\n\$4\r\nhash\r\n");
    my $l = IO::Socket::INET->new(LocalAddr => $t->redis_addr(), Listen => 16,
                                  ReuseAddr => 1) or die;
    my %open;

    while (1) {
        my $bits = '';
        vec($bits, fileno($_), 1) = 1 for $l, values %open;
        next if select($bits, undef, undef, 0.1) <= 0;

        if (vec($bits, fileno($l), 1)) {
            my $s = $l->accept() or next;
            $open{fileno($s)} = $s;
        }

        for my $s (values %open) {
            next if !vec($bits, fileno($s), 1);

            my $asked = '';

            if (!sysread($s, $asked, 65536) || rand() < 0.05) {
                delete $open{fileno($s)};
                close($s);
                next;
            }

            # what passes as a login, then anything
            my $text = $asked =~ /SELECT/ && rand() < 0.9 ? "+OK\r\n"
                     : rand() < 0.2 ? join('', map { chr(rand(256)) } 1 .. rand(300))
                     : join('', map { $kinds[rand(@kinds)] } 0 .. rand(3));
            syswrite($s, $text);
        }
    }
};
serves('garbage instead of Redis') for 1 .. 3;
{
    my $until = time() + 2.5;
    my $asked = 0;

    while (time() < $until) {
        my $status = $t->get("/shards/orders/" . (qw/ routers zones migrations policy forecasts\/1 /)[rand(5)])->{status};
        $asked++ if $status != 599;
        sleep(0.02);
    }

    cmp_ok($asked, '>', 1, 'the API answers, too');
}
kill 'KILL', $garbage;
waitpid($garbage, 0);
$t->process('redis')->start();
recovers('garbage');

my $admin = ShardTest::Redis->new($t->redis_addr());
$admin->command('CONFIG', 'SET', 'requirepass', 'secret');
$admin->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
wait_for { !$t->api('')->{connected} } 4, 'locked out';
serves('a password that the router has not');
$admin->command('CONFIG', 'SET', 'requirepass', '');
recovers('wrong password');

$t->redis()->command('FLUSHALL');
wait_for { $t->error_log() =~ /table is gone from Redis/ } 3, 'noticed';
serves('Redis emptied');
$t->seed(place => sub { 'n1' }, silent => 1, record => { epoch => 2 });
recovers('Redis emptied');

# a bad table, written past the function: one line

my $good = $t->redis()->command('HGET', $t->key('table'), 2);
$t->redis()->command('HSET', $t->key('table'), 2, '{"lo":"zz"}');
$t->redis()->command('HINCRBY', $t->key('meta'), 'version', 7);
wait_for { $t->error_log() =~ /table refused.*"zz"/ } 5, 'refused';
serves('a table that is bad');
sleep(2.2);
my $told = () = $t->error_log() =~ /table refused.*"zz"/g;
is($told, 1, 'and told of once, not each second');
$t->redis()->command('HSET', $t->key('table'), 2, $good);
current();
serves('and good again');

my $more = () = $t->error_log() =~ /\[(?:error|warn|crit)\].*keyspace "orders"/g;
cmp_ok($more, '<', 60, "few lines about it all ($more)");


# a refused request waits for the table, its body in a temporary file

note_time('a refused request waits for the table, its body in a temporary file');

my $key = 'body';
my ($shard) = $t->get("/kv/$key", 'X-Key' => $key)->{headers}{'x-shard-id'};
my $body = join '', map { chr(33 + rand(90)) } 1 .. 700000;

current();
my $epoch = $t->shard_record($shard)->{epoch};
my $asleep = leader();

role('n1', $shard, 'standby', $epoch + 1);
role('n2', $shard, 'primary', $epoch + 1);
kill 'STOP', $asleep;
release($shard, primary => 'n2', epoch => $epoch + 1);

my @put = map {
    my $path = $_ % 2 ? "/kv/$key$_" : "/short/kv/$key$_";
    $t->send_request($path, key => $key, method => 'PUT', body => $body);
} 1 .. 6;

# these leave while they wait; the others do for longer than a node may take in
# /short/, where a busy machine's takes a while to have it all on its disk

my @gone = map { $t->connect_to("PUT /kv/gone HTTP/1.1\r\nHost: x\r\n"
                                . "X-Key: $key\r\nContent-Length: 3\r\n\r\nabc") } 1 .. 8;
sleep(0.25);
close($_) for @gone;
sleep(0.4);
kill 'CONT', $asleep;

is(join(' ', map { ($t->answer($_))[0] } @put), join(' ', (204) x 6),
   'refused with 421, sent again whole to the new owner');
is_deeply([ grep { $t->get("/kv/$key$_", 'X-Key' => $key)->{content} ne $body } 1 .. 6 ],
          [], 'every byte of them');
wait_for { $t->inflight() == 0 } 3, 'none in flight';
pass('clients that left while they waited are not in flight');


# a leader that slept through its lease does not put back what it knew

current();
$asleep = leader();

my $lost = () = $t->error_log() =~ /lost the lead/g;

kill 'STOP', $asleep;
wait_for { leader() != $asleep } 5, 'another leads';
my $newest = release($shard, strategy => 'queue');
wait_for { elsewhere() == $newest } 5, 'it follows';
kill 'CONT', $asleep;
wait_for { $lost < (() = $t->error_log() =~ /lost the lead/g) } 3, 'it noticed';
sleep(0.3);
is($t->api('')->{version}, $newest, 'a leader that slept publishes nothing');


# workers killed at random amid changes

note_time('workers killed at random amid changes');

$t->allow(qr/exited on signal 9/);

my @load = map {
    my $n = $_;

    child {
        srand($seed + $n);
        my $http = HTTP::Tiny->new(timeout => 8);

        while (1) {
            my $k = 'r' . int(rand(200));
            $http->request(rand() < 0.5 ? 'GET' : 'PUT', $t->url("/kv/$k"),
                           { headers => { 'X-Key' => $k }, content => $k });
        }
    };
} 1 .. 3;

my $killed = 0;
my $next_kill = time() + 0.3;
my %held;

for my $n (1 .. 200) {
    my $id = int(rand(8));
    my $what = rand();

    if ($held{$id}) {
        release($id);
        delete $held{$id};

    } elsif ($what < 0.5) {
        hold($id);
        $held{$id} = 1;

    } elsif ($what < 0.7) {
        update($id, consistency => rand() < 0.5 ? 'eventual' : 'strong',
               standbys => [ $t->shard_record($id)->{primary} eq 'n1' ? 'n2' : 'n1' ]);

    } else {

        # the lower half of it becomes another shard, or comes back
        my $record = $t->shard_record($id);
        my $half = $t->shard_record($id + 100);
        my %low = %$record;

        if ($half) {
            $record->{lo} = $half->{lo};
            $t->commit('keyspace', 'shard', $id + 100, '', 'shard', $id, encode_json($record));

        } else {
            my $cut = Math::BigInt->from_hex($record->{lo})->badd(Math::BigInt->from_hex('0800000000000000'));
            $record->{lo} = $low{hi} = sprintf '%016s', substr($cut->as_hex(), 2);
            $t->commit('keyspace', 'shard', $id + 100, encode_json(\%low), 'shard', $id, encode_json($record));
        }
    }

    if (time() > $next_kill) {
        my @alive = $t->process('nginx')->children();
        kill 'KILL', $alive[rand(@alive)] if @alive;
        $killed++;
        $next_kill = time() + 0.05 + rand(0.4);
    }

    sleep(rand(0.04));
}

release($_) for keys %held;
note("$killed workers killed");
wait_for { (eval { $t->api('')->{version} } || 0) == $t->version() } 10, 'newest version';

kill 'KILL', @load;
waitpid($_, 0) for @load;

wait_for { $t->inflight() == 0 } 10, 'in flight: none';
is($t->api('')->{waiting}, 0, "$killed workers killed: none in flight, none waits");
is_deeply([ map { $_->{inflight} } @{ $t->api('/nodes')->{nodes} } ], [ 0, 0 ],
          'nor at any node');

my %want = map { my $r = decode_json($_); ("$r->{lo} $r->{primary} $r->{epoch} $r->{phase}", 1) }
           map { s/}$/,"phase":"steady"}/r =~ s/("phase":"\w+".*),"phase":"steady"}$/$1}/r }
           values %{ $t->redis()->hash($t->key('table')) };
my %have = map { ("$_->{lo} $_->{primary} $_->{epoch} $_->{phase}", 1) }
           @{ $t->api('/shards?limit=1000')->{shards} };

is_deeply(\%have, \%want, 'the table is the one in Redis');

my $version = hold(4);
ok(eval { wait_for { $t->barrier(4)->{drained} && $t->barrier(4)->{version} >= $version } 5, 'it' },
   'barriers work');
release(4);
wait_for { !$t->barrier(4)->{drained} } 3, 'released';

# nobody told the nodes of the shards that were split off
serves('after all that', 421);

$t->finish('nothing bad in the logs');
done_testing();
