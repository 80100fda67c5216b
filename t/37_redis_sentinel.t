#!/usr/bin/perl

# The master of Sentinel: found, followed over a failover that loses
# acknowledged writes, found again when sentinels are gone; a Redis that is
# no master is not believed.

use warnings;
use strict;

use Test::More;
use File::Path qw/ make_path /;
use IO::Socket::INET;
use JSON::PP;
use Time::HiRes qw/ sleep time /;

use ShardTest;

my @kids;

END { kill 'KILL', @kids if @kids }

my $t = ShardTest->new(shards => 4, keyspace => 'orders');
my $password = spew("$t->{dir}/password", "secret\n") && 'secret';
my $sentinel_password = spew("$t->{dir}/sentinel-password", "whisper\n") && 'whisper';

my %port = map { $_ => free_port() } qw/ r1 r2 s1 s2 s3 /;


sub client {
    my ($name, $auth) = @_;

    return ShardTest::Redis->new("127.0.0.1:$port{$name}", password => $auth || $password);
}

sub start_redis {
    my ($name, $of) = @_;

    make_path("$t->{dir}/$name");

    $t->add(name => $name,
            argv => [ 'redis-server', '--bind', '127.0.0.1', '--port', $port{$name},
                      '--dir', "$t->{dir}/$name", '--save', '', '--requirepass', $password,
                      '--masterauth', $password, '--repl-diskless-sync-delay', '0',
                      $of ? ('--replicaof', '127.0.0.1', $port{$of}) : () ],
            ready => sub { eval { client($name)->command('PING') } });
}

sub start_sentinel {
    my ($name) = @_;

    my $conf = spew("$t->{dir}/$name.conf", <<"CONF");
port $port{$name}
bind 127.0.0.1
dir $t->{dir}
requirepass $sentinel_password
sentinel sentinel-pass $sentinel_password
sentinel monitor orders-master 127.0.0.1 $port{r1} 2
sentinel auth-pass orders-master $password
sentinel down-after-milliseconds orders-master 700
sentinel failover-timeout orders-master 6000
CONF

    $t->add(name => $name, argv => [ 'redis-server', $conf, '--sentinel' ],
            ready => sub { eval { client($name, $sentinel_password)->command('PING') } });
}

sub update {
    my ($id, $standbys) = @_;

    my $record = $t->shard_record($id);
    $record->{standbys} = [ ('n2') x $standbys ];

    my $got = $t->commit("shard:$id", 'shard', $id, encode_json($record));
    die "@$got" if $got->[0] ne 'ok';
    return $got->[1];
}

sub in_redis  { join '', map { scalar @{ $t->shard_record($_)->{standbys} || [] } } 0 .. 3 }
sub in_router { join '', map { scalar @{ $_->{standbys} } } @{ $t->api('/shards?limit=100')->{shards} } }

sub agrees {
    my ($what) = @_;

    my $good = eval { wait_for { $t->api('')->{version} == $t->version() && in_router() eq in_redis() } 15, 'it' };
    ok($good, "$what: the router has what the master has")
        or diag 'router ', eval { $t->api('')->{version} . ' ' . in_router() }, ', Redis ', $t->version(), ' ', in_redis();
}

sub serves {
    my ($what) = @_;

    my @bad = grep { $_ !~ /^(200|404)$/ } map { $t->get("/kv/s$_", 'X-Key' => "s$_")->{status} } 1 .. 30;
    is("@bad", '', "$what: served");
}


start_redis('r1');
start_redis('r2', 'r1');
start_sentinel($_) for qw/ s1 s2 s3 /;

$t->{redis} = client('r1');
$t->start_nodes(2);
$t->seed(place => sub { 'n1' });

wait_for { client('r2')->command('INFO', 'replication') =~ /master_link_status:up/ } 15, 'a replica in step';
wait_for { my %m = @{ client('s1', $sentinel_password)->command('SENTINEL', 'master', 'orders-master') };
           $m{'num-slaves'} == 1 && $m{'num-other-sentinels'} == 2 } 15, 'sentinels that know each other';

my $sentinels = join ' ', map { "127.0.0.1:$port{$_}" } qw/ s1 s2 s3 /;
my $shard_redis = "$sentinels sentinel=orders-master password_file=$t->{dir}/password"
                  . " sentinel_password_file=$t->{dir}/sentinel-password";

$t->start_nginx(redis => $shard_redis);
wait_for { $t->get('/kv/a', 'X-Key' => 'a')->{status} == 404 } 5, 'a table';
agrees('at the start');
is($t->get('/shards/orders/routers')->{status}, 200, 'the API finds the master, too');


# writes that the replica never gets, then the failover

my $replica = client('r2');
$replica->command('CONFIG', 'SET', 'masterauth', 'wrong');
$t->redis()->command('CLIENT', 'KILL', 'TYPE', 'replica');

my $lost = (update(0, 1), update(1, 1))[1];
agrees('acknowledged, not replicated');
is($replica->command('HGET', $t->key('meta'), 'version'), $lost - 2, 'the replica lacks them');
$replica->command('CONFIG', 'SET', 'masterauth', $password);
$t->process('r1')->kill();
serves('the master killed');

wait_for { client('r2')->command('ROLE')->[0] eq 'master' } 20, 'a failover';
$t->{redis} = client('r2');
update(2, 1);
is(update(3, 1), $lost, 'the same numbers for other changes');
agrees('the failover lost acknowledged changes');
update(0, 1);
agrees('the next change');
serves('after the failover');
is($t->get('/shards/orders/routers')->{status}, 200, 'the API finds the new master');


# the old master comes back: as a replica, and nobody follows it

start_redis('r1');
wait_for { client('r1')->command('ROLE')->[0] eq 'slave' } 20, 'it was made a replica';
update(1, 1);
agrees('the old master is back');


# two sentinels gone

$t->process($_)->kill() for qw/ s1 s2 /;
$t->redis()->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
update(1, 0);
agrees('one sentinel of three');
is($t->get('/shards/orders/routers')->{status}, 200, 'one sentinel of three: the API');

$t->process('s3')->kill();
$t->redis()->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
wait_for { $t->error_log() =~ /no sentinel names the master/ } 5, 'told';
serves('no sentinel left');
like($t->error_log(), qr/Redis orders-master: no sentinel names the master, the last one asked: .*refused/, 'and says so');


# sentinels that are wrong: one names a replica, others talk nonsense

sub heard {
    my ($s, $what) = @_;

    my $asked = '';
    while ($asked !~ $what) { sysread($s, $asked, 4096, length $asked) or return 0 }
    return 1;
}

sub liar {
    my ($port, $answer) = @_;

    my $pid = fork();
    die "fork: $!" if !defined $pid;

    if (!$pid) {
        my $l = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port", Listen => 16, ReuseAddr => 1) or POSIX::_exit(1);

        while (my $s = $l->accept()) {
            heard($s, qr/AUTH.*\r\n.*\r\n.*\r\n/s) && syswrite($s, "+OK\r\n")
                && heard($s, qr/get-master.*\r\n.*\r\n.*\r\n/s) && syswrite($s, $answer)
                && heard($s, qr/the end/);
        }

        POSIX::_exit(0);
    }

    push @kids, $pid;
    wait_for { !!IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") } 5, 'a liar';
}

sub bulk { '*' . @_ . "\r\n" . join '', map { '$' . length($_) . "\r\n$_\r\n" } @_ }

for my $case ([ s1 => bulk('127.0.0.1', $port{r1}), qr/not a master, though the sentinel says so/ ],
              [ s2 => bulk('redis.invalid', 6379), qr/it gives a host name, set its "announce-hostnames no": redis.invalid/ ],
              [ s3 => "*-1\r\n", qr/it knows no master of the name in "sentinel="/ ])
{
    my ($name, $answer, $like) = @$case;

    $t->process('nginx')->stop();
    unlink("$t->{dir}/nginx/error.log");
    liar($port{$name}, $answer);
    $t->start_nginx(redis => $shard_redis =~ s/^\S+ \S+ \S+/127.0.0.1:$port{$name}/r);
    ok(eval { wait_for { $t->error_log() =~ $like } 5, 'it' }, "told: $like") or diag $t->error_log();
    serves("a sentinel that is wrong ($name)");
}

$t->finish();
done_testing();
