"""stub"""
class HybridVectorEnv:
    """stub"""
