using Broker.Tests.Support;

namespace Broker.Tests.Conformance;

internal sealed class RedisLockTests() : LockSuite(RedisLockPlace.CreateAsync);
